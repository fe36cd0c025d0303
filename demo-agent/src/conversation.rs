//! The demo agent's conversation: keys and time go in, what to print and to record comes out. It touches nothing.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use crate::command::{Command, parse};
use crate::composer::Composer;
use crate::dialog::{Answer, Dialog, Subject};
use crate::keys::Key;
use crate::record::Kind;

/// An Enter sooner after the start is lost, as in real agents, while text is kept.
const ENTER_DEAF: Duration = Duration::from_millis(300);
const TWICE_WITHIN: Duration = Duration::from_secs(1);
const ECHOED_LINES: usize = 20;
const LONGEST_REPEATED: usize = 200;

const HELP: &str = "I am a demo agent: I show what an agent shows and never run anything. Try:
  run CMD         asks for permission to run CMD (twice CMD: two times over)
  ask QUESTION    asks a question to be answered with y or n
  choose A|B|C    asks to choose one of several
  work N          is busy for N seconds
  think N         the same without a word: interrupted, it gives its message back
  say TEXT        answers TEXT
  print N         answers N lines
  /help  /clear  /exit  /crash";

/// Something the conversation wants done. Times are durations since the start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// One line of the transcript.
    Print(String),
    ClearScreen,
    Record(Kind, String),
    Exit(u8),
}

/// The whole state. After [`Effect::Exit`] it must not be used further.
pub(crate) struct Conversation {
    composer: Composer,
    activity: Activity,
    queue: VecDeque<String>,
    chat_takes: Duration,
    last_ctrl_c: Option<Duration>,
    effects: Vec<Effect>,
}

/// What the agent is doing.
pub(crate) enum Activity {
    Idle,
    Busy(Work),
    Asking(Dialog),
}

/// A busy phase.
pub(crate) struct Work {
    pub(crate) began: Duration,
    ends: Duration,
    message: String,
    reply: Vec<String>,
    /// If it is interrupted, it puts its message back into an empty composer, as some agents do if they have not said
    /// anything yet.
    gives_back: bool,
}

impl Conversation {
    /// `chat_takes` is how long it is busy with a message that is not a command; `trust` the directory to ask about.
    pub(crate) fn new(chat_takes: Duration, trust: Option<&str>) -> Self {
        let activity = trust.map_or(Activity::Idle, |directory| {
            Activity::Asking(Dialog::trust(directory, Duration::ZERO))
        });
        Self {
            composer: Composer::default(),
            activity,
            queue: VecDeque::new(),
            chat_takes,
            last_ctrl_c: None,
            effects: Vec::new(),
        }
    }

    pub(crate) fn composer(&self) -> &Composer {
        &self.composer
    }

    pub(crate) fn activity(&self) -> &Activity {
        &self.activity
    }

    /// What is to be done since the last call, in order.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        mem::take(&mut self.effects)
    }

    /// When time alone changes something.
    pub(crate) fn due(&self) -> Option<Duration> {
        match &self.activity {
            Activity::Busy(work) => Some(work.ends),
            Activity::Idle | Activity::Asking(_) => None,
        }
    }

    /// Lets time pass: ends a busy phase that is over.
    pub(crate) fn pass(&mut self, now: Duration) {
        if self.due().is_some_and(|due| due <= now) {
            self.finish_work(now);
            self.run_queue(now);
        }
    }

    /// Takes a message that was given at the start.
    pub(crate) fn begin_with(&mut self, message: String) {
        self.composer.paste(message);
        self.submit(Duration::ZERO);
    }

    pub(crate) fn press(&mut self, key: Key, now: Duration) {
        if key == Key::Enter && now < ENTER_DEAF {
            return;
        }
        match &mut self.activity {
            Activity::Asking(dialog) => {
                if let Some(answer) = dialog.press(&key, now) {
                    self.settle_dialog(answer, now);
                    self.run_queue(now);
                }
            }
            Activity::Idle | Activity::Busy(_) => self.press_in_composer(key, now),
        }
    }

    fn press_in_composer(&mut self, key: Key, now: Duration) {
        match key {
            Key::Char(character) => self.composer.push(character),
            Key::Paste(text) => self.composer.paste(text),
            Key::Backspace => self.composer.backspace(),
            Key::CtrlU => self.composer.clear_line(),
            Key::Enter => self.submit(now),
            Key::Escape => self.interrupt(now),
            Key::CtrlC => self.press_ctrl_c(now),
            Key::Up | Key::Down => {}
        }
    }

    fn submit(&mut self, now: Duration) {
        if self.composer.continue_line() {
            return;
        }
        let Some(message) = self.composer.take() else {
            return;
        };
        self.effects.push(Effect::Record(Kind::Message, message.clone()));
        self.echo(&message);
        if let Activity::Busy(_) = self.activity {
            self.print("  queued");
        }
        self.queue.push_back(message);
        self.run_queue(now);
    }

    fn echo(&mut self, message: &str) {
        let lines: Vec<&str> = message.split('\n').collect();
        for (index, line) in lines.iter().take(ECHOED_LINES).enumerate() {
            self.print(format!("{} {line}", if index == 0 { ">" } else { " " }));
        }
        if let Some(more @ 1..) = lines.len().checked_sub(ECHOED_LINES) {
            self.print(format!("  … {more} more lines"));
        }
    }

    /// Starts what waits, while nothing else is running.
    fn run_queue(&mut self, now: Duration) {
        while matches!(self.activity, Activity::Idle)
            && let Some(message) = self.queue.pop_front()
        {
            self.start(message, now);
        }
    }

    fn start(&mut self, message: String, now: Duration) {
        match parse(&message) {
            Command::Run { command, twice } => {
                self.activity = Activity::Asking(Dialog::permission(command, twice, now))
            }
            Command::Ask(question) => self.activity = Activity::Asking(Dialog::yes_no(question, now)),
            Command::Choose(options) => self.activity = Activity::Asking(Dialog::choice(&options, now)),
            Command::Say(text) => self.reply(text),
            Command::Print(lines) => (1..=lines).for_each(|line| self.reply(&format!("line {line}"))),
            Command::Slash(name) => self.run_slash(name),
            Command::Work(takes) => self.begin_work(message, takes, Vec::new(), now),
            Command::Think(takes) => {
                self.begin_work(message, takes, Vec::new(), now);
                if let Activity::Busy(work) = &mut self.activity {
                    work.gives_back = true;
                }
            }
            Command::Chat => {
                let reply = repeat(&message);
                self.begin_work(message, self.chat_takes, reply, now);
            }
        }
    }

    fn run_slash(&mut self, name: &str) {
        match name {
            "/help" => self.reply(HELP),
            "/clear" => self.effects.push(Effect::ClearScreen),
            "/exit" => self.exit(0),
            "/crash" => self.exit(3),
            _ => {
                let name: String = name.chars().take(LONGEST_REPEATED).collect();
                self.reply(&format!("Unknown command: {name}"));
            }
        }
    }

    fn begin_work(&mut self, message: String, takes: Duration, reply: Vec<String>, now: Duration) {
        self.activity = Activity::Busy(Work {
            began: now,
            ends: now + takes,
            message,
            reply,
            gives_back: false,
        });
    }

    fn finish_work(&mut self, now: Duration) {
        if let Activity::Busy(work) = mem::replace(&mut self.activity, Activity::Idle) {
            work.reply.into_iter().for_each(|line| self.print(line));
            self.print(format!("✓ Done in {:.1}s", (now - work.began).as_secs_f64()));
        }
    }

    /// Ends a busy phase; when idle there is nothing to interrupt.
    fn interrupt(&mut self, now: Duration) {
        if matches!(self.activity, Activity::Idle) {
            return;
        }
        if let Activity::Busy(work) = mem::replace(&mut self.activity, Activity::Idle) {
            if work.gives_back && self.composer.is_empty() {
                self.composer.paste(work.message.clone());
            }
            self.effects.push(Effect::Record(Kind::Interrupt, work.message));
        }
        self.reply("Interrupted");
        self.run_queue(now);
    }

    fn press_ctrl_c(&mut self, now: Duration) {
        if let Activity::Busy(_) = self.activity {
            return self.interrupt(now);
        }
        match self.last_ctrl_c.replace(now) {
            Some(last) if now - last <= TWICE_WITHIN => self.exit(0),
            _ => self.composer.clear(),
        }
    }

    fn settle_dialog(&mut self, answer: Answer, now: Duration) {
        let Activity::Asking(dialog) = mem::replace(&mut self.activity, Activity::Idle) else {
            return;
        };
        let record = format!("{}={}", dialog.question(), answer.label);
        self.effects.push(Effect::Record(Kind::Answer, record));
        match dialog.subject() {
            Subject::Permission { command, .. } if answer.declined => self.reply(&format!("Did not run {command}")),
            Subject::Permission { command, twin } => {
                self.reply(&format!("Ran {command} (pretended)"));
                if *twin {
                    self.activity = Activity::Asking(Dialog::permission(command, false, now));
                }
            }
            Subject::YesNo { .. } => self.reply(&format!("You answered {}", answer.label)),
            Subject::Choice => self.reply(&format!("You chose {}", answer.label)),
            Subject::Trust { .. } if answer.declined => self.exit(1),
            Subject::Trust { .. } => {}
        }
    }

    fn reply(&mut self, text: &str) {
        for (index, line) in text.split('\n').enumerate() {
            self.print(format!("{} {line}", if index == 0 { "●" } else { " " }));
        }
    }

    fn print(&mut self, line: impl Into<String>) {
        self.effects.push(Effect::Print(line.into()));
    }

    fn exit(&mut self, status: u8) {
        // What still waits is not run.
        self.queue.clear();
        if status == 0 {
            self.reply("Goodbye");
        }
        self.effects.push(Effect::Exit(status));
    }
}

/// The answer to chat: its beginning, and the number of lines and characters if that is not everything.
fn repeat(message: &str) -> Vec<String> {
    let first: String = message
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(LONGEST_REPEATED)
        .collect();
    let mut reply = vec![format!("● You said: {first}")];
    if first != message {
        let (lines, characters) = (message.split('\n').count(), message.chars().count());
        reply.push(format!("  ({lines} lines, {characters} characters)"));
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: Duration = Duration::from_millis(400);

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn new() -> Conversation {
        Conversation::new(BUSY, None)
    }

    fn submit(conversation: &mut Conversation, text: &str, now: Duration) {
        conversation.press(Key::Paste(text.to_owned()), now);
        conversation.press(Key::Enter, now);
    }

    /// What was printed and recorded, one line each; records as `kind:text`.
    fn shown(conversation: &mut Conversation) -> Vec<String> {
        let line = |effect| match effect {
            Effect::Print(line) => line,
            Effect::ClearScreen => "clear".to_owned(),
            Effect::Record(kind, text) => format!("{kind:?}:{text}"),
            Effect::Exit(status) => format!("exit {status}"),
        };
        conversation.take_effects().into_iter().map(line).collect()
    }

    #[test]
    fn answers_a_message_after_a_busy_phase() {
        let mut conversation = new();
        submit(&mut conversation, "hello", at(1000));
        assert_eq!(shown(&mut conversation), ["Message:hello", "> hello"]);
        assert_eq!(conversation.due(), Some(at(1400)));
        conversation.pass(at(1399));
        assert_eq!(shown(&mut conversation), [""; 0]);
        conversation.pass(at(1400));
        assert_eq!(shown(&mut conversation), ["● You said: hello", "✓ Done in 0.4s"]);
    }

    #[test]
    fn tells_how_much_a_long_message_held() {
        assert_eq!(repeat("a\nb\n"), ["● You said: a", "  (3 lines, 4 characters)"]);
        let long = "é".repeat(201);
        assert_eq!(repeat(&long)[1], "  (1 lines, 201 characters)");
        assert_eq!(repeat(&"é".repeat(200)).len(), 1);
    }

    #[test]
    fn echoes_the_first_twenty_lines() {
        let mut conversation = new();
        let message: Vec<String> = (1..=25).map(|line| line.to_string()).collect();
        submit(&mut conversation, &message.join("\n"), at(1000));
        let shown = shown(&mut conversation);
        assert_eq!(shown[1..3], ["> 1", "  2"]);
        assert_eq!(shown[20..], ["  20", "  … 5 more lines"]);
    }

    #[test]
    fn loses_an_early_enter_and_keeps_the_text() {
        let mut conversation = new();
        submit(&mut conversation, "one", at(299));
        assert_eq!(conversation.composer().text(), "one");
        submit(&mut conversation, "two", at(300));
        assert_eq!(shown(&mut conversation)[0], "Message:onetwo");
    }

    #[test]
    fn queues_what_is_submitted_while_busy_and_runs_it_afterwards() {
        let mut conversation = new();
        submit(&mut conversation, "one", at(1000));
        submit(&mut conversation, "say two", at(1100));
        submit(&mut conversation, "three", at(1200));
        shown(&mut conversation);
        conversation.pass(at(1400));
        assert_eq!(shown(&mut conversation), ["● You said: one", "✓ Done in 0.4s", "● two"]);
        assert_eq!(conversation.due(), Some(at(1800)));
    }

    #[test]
    fn marks_a_queued_message() {
        let mut conversation = new();
        submit(&mut conversation, "one", at(1000));
        submit(&mut conversation, "two", at(1000));
        assert_eq!(shown(&mut conversation)[2..], ["Message:two", "> two", "  queued"]);
    }

    #[test]
    fn escape_interrupts_and_does_nothing_when_idle() {
        let mut conversation = new();
        conversation.press(Key::Escape, at(900));
        assert_eq!(shown(&mut conversation), [""; 0]);
        submit(&mut conversation, "work 60", at(1000));
        shown(&mut conversation);
        conversation.press(Key::Escape, at(2000));
        assert_eq!(shown(&mut conversation), ["Interrupt:work 60", "● Interrupted"]);
        assert_eq!(conversation.due(), None);
    }

    #[test]
    fn a_message_without_an_answer_comes_back_unless_a_draft_stands_there() {
        for (draft, after) in [("", "think 60"), ("mine", "mine")] {
            let mut conversation = new();
            submit(&mut conversation, "think 60", at(1000));
            conversation.press(Key::Paste(draft.to_owned()), at(1100));
            conversation.press(Key::Escape, at(1200));
            assert_eq!(conversation.composer().text(), after);
        }
    }

    #[test]
    fn ctrl_c_clears_then_exits_and_interrupts_while_busy() {
        let mut conversation = new();
        conversation.press(Key::Char('x'), at(1000));
        conversation.press(Key::CtrlC, at(1000));
        assert!(conversation.composer().is_empty());
        conversation.press(Key::CtrlC, at(2001));
        assert_eq!(shown(&mut conversation), [""; 0]);
        submit(&mut conversation, "work 9", at(2100));
        conversation.press(Key::CtrlC, at(2200));
        assert_eq!(shown(&mut conversation)[2..], ["Interrupt:work 9", "● Interrupted"]);
        conversation.press(Key::CtrlC, at(3500));
        conversation.press(Key::CtrlC, at(4500));
        assert_eq!(shown(&mut conversation), ["● Goodbye", "exit 0"]);
    }

    #[test]
    fn asks_for_permission_and_pretends() {
        let mut conversation = new();
        for (key, outcome) in [('1', "● Ran touch x (pretended)"), ('3', "● Did not run touch x")] {
            submit(&mut conversation, "run touch x", at(1000));
            shown(&mut conversation);
            conversation.press(Key::Char(key), at(1050));
            assert_eq!(shown(&mut conversation), [""; 0]);
            conversation.press(Key::Char(key), at(1100));
            assert_eq!(shown(&mut conversation)[1], outcome);
        }
    }

    #[test]
    fn asks_twice_with_equal_menus_and_a_new_deaf_time() {
        let mut conversation = new();
        submit(&mut conversation, "twice touch x", at(1000));
        conversation.press(Key::Char('1'), at(1200));
        conversation.press(Key::Char('1'), at(1299));
        assert!(matches!(conversation.activity(), Activity::Asking(_)));
        conversation.press(Key::Char('1'), at(1300));
        let answers = shown(&mut conversation);
        assert_eq!(answers.iter().filter(|line| *line == "Answer:touch x=Yes").count(), 2);
        assert!(matches!(conversation.activity(), Activity::Idle));
    }

    #[test]
    fn a_no_ends_the_turn() {
        let mut conversation = new();
        submit(&mut conversation, "twice touch x", at(1000));
        conversation.press(Key::Escape, at(1200));
        assert_eq!(
            shown(&mut conversation)[2..],
            ["Answer:touch x=No", "● Did not run touch x"]
        );
        assert!(matches!(conversation.activity(), Activity::Idle));
    }

    #[test]
    fn asks_and_lets_choose() {
        let mut conversation = new();
        submit(&mut conversation, "ask Really?", at(1000));
        conversation.press(Key::Char('y'), at(1100));
        submit(&mut conversation, "choose A|B", at(2000));
        conversation.press(Key::Char('2'), at(2100));
        let shown = shown(&mut conversation);
        assert_eq!(shown[2..4], ["Answer:Really?=yes", "● You answered yes"]);
        assert_eq!(shown[6..], ["Answer:Which one?=B", "● You chose B"]);
    }

    #[test]
    fn keeps_a_draft_while_a_queued_message_asks() {
        let mut conversation = new();
        submit(&mut conversation, "one", at(1000));
        submit(&mut conversation, "run touch x", at(1000));
        conversation.press(Key::Char('d'), at(1000));
        conversation.pass(at(1400));
        conversation.press(Key::Char('1'), at(1500));
        assert_eq!(conversation.composer().text(), "d");
    }

    #[test]
    fn runs_slash_commands() {
        let cases = [
            ("/clear", "clear"),
            ("/exit", "exit 0"),
            ("/crash", "exit 3"),
            ("/x y", "● Unknown command: /x"),
        ];
        for (message, outcome) in cases {
            let mut conversation = new();
            submit(&mut conversation, message, at(1000));
            assert_eq!(shown(&mut conversation).last().unwrap(), outcome);
        }
    }

    #[test]
    fn runs_nothing_after_an_exit() {
        let mut conversation = new();
        for message in ["one", "/exit", "say two"] {
            submit(&mut conversation, message, at(1000));
        }
        conversation.pass(at(1400));
        assert_eq!(shown(&mut conversation).last().map(String::as_str), Some("exit 0"));
    }

    #[test]
    fn replies_with_every_line() {
        let mut conversation = new();
        submit(&mut conversation, "say a\n b", at(1000));
        submit(&mut conversation, "print 2", at(1000));
        let shown = shown(&mut conversation);
        assert_eq!(shown[3..5], ["● a", "   b"]);
        assert_eq!(shown[7..], ["● line 1", "● line 2"]);
    }

    #[test]
    fn leaves_where_there_is_no_trust() {
        let mut conversation = Conversation::new(BUSY, Some("/the/dir"));
        conversation.press(Key::Enter, at(400));
        assert_eq!(
            shown(&mut conversation),
            ["Answer:Do you trust this folder?=No, exit", "exit 1"]
        );
    }

    #[test]
    fn goes_on_where_there_is_trust() {
        let mut conversation = Conversation::new(BUSY, Some("/the/dir"));
        conversation.press(Key::Down, at(400));
        conversation.press(Key::Enter, at(400));
        assert_eq!(
            shown(&mut conversation),
            ["Answer:Do you trust this folder?=Yes, I trust this folder"]
        );
        assert!(matches!(conversation.activity(), Activity::Idle));
    }
}
