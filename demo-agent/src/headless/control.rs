//! What the client sends while the agent works or waits: it is taken at once, whatever the agent does.

use std::time::Duration;

use serde_json::{Value, json};

use super::Agent;
use super::input::Input;
use super::message::Message;
use super::permission::MODES;

impl Agent {
    /// Takes what comes, waiting at most `patience` for the first line.
    ///
    /// # Errors
    /// When nobody reads what it prints.
    pub(super) fn listen(&mut self, patience: Duration) -> anyhow::Result<()> {
        let mut next = self.client.next(patience)?;
        while let Some(input) = next {
            match input {
                Input::Message(message) => self.receive(message)?,
                Input::Request { id, request } => self.control(&id, &request)?,
                Input::Answer { id, line } => {
                    if self.client.answer(&id, &line) {
                        if self.options.replay_user_messages {
                            self.stream.print(&line)?;
                        }
                        self.tell_state()?;
                    }
                }
                Input::Broken(_) => {}
            }
            if self.client.is_closed {
                break;
            }
            next = self.client.next(Duration::ZERO)?;
        }
        Ok(())
    }

    /// Tells what it does, to those who want to know.
    pub(super) fn tell_state(&mut self) -> anyhow::Result<()> {
        self.stream.state(self.client.state())
    }

    /// A message waits until the ones before it are answered. One that is known is only said again.
    fn receive(&mut self, message: Message) -> anyhow::Result<()> {
        let uuid = message.uuid.clone();
        if let Some(uuid) = &uuid
            && (self.memory.knows(uuid) || self.client.waits(uuid))
        {
            return self.replay(&message);
        }
        self.client.queue.push_back(message);
        self.tell_state()?;
        self.stream.receipt(uuid.as_deref(), "queued")
    }

    pub(super) fn replay(&mut self, message: &Message) -> anyhow::Result<()> {
        match (&message.uuid, self.options.replay_user_messages) {
            (Some(uuid), true) => self.stream.replay(uuid, &message.content),
            _ => Ok(()),
        }
    }

    fn control(&mut self, id: &str, request: &Value) -> anyhow::Result<()> {
        match request["subtype"].as_str().unwrap_or_default() {
            "initialize" => self.initialize(id),
            "interrupt" => self.interrupt(id, request["cancel_queued"] == true),
            "cancel_async_message" => self.take_back(id, &request["message_uuid"]),
            "set_model" => {
                let model = request["model"].as_str().unwrap_or(&self.options.model).to_owned();
                self.stream.model.clone_from(&model);
                self.stream.respond(id, &json!({ "model": model }))
            }
            "set_permission_mode" => self.set_mode(id, request["mode"].as_str().unwrap_or_default()),
            other => {
                let why = format!("Unsupported control request subtype: {other}");
                self.stream.refuse(id, &why, "unsupported_request")
            }
        }
    }

    fn initialize(&mut self, id: &str) -> anyhow::Result<()> {
        let response = json!({
            "commands": [], "session_state": self.client.state(), "current_permission_mode": self.rules.mode(),
        });
        let pending = json!(self.client.pending());
        self.stream.initialized(id, &response, &pending)
    }

    fn interrupt(&mut self, id: &str, cancels_queued: bool) -> anyhow::Result<()> {
        self.client.is_told_to_stop = self.client.is_working;
        let waiting = |agent: &Self| -> Vec<String> {
            let queue = agent.client.queue.iter();
            queue.filter_map(|message| message.uuid.clone()).collect()
        };
        let mut response = json!({ "still_queued": waiting(self) });
        if cancels_queued {
            let cancelled = waiting(self);
            self.client.queue.clear();
            for uuid in &cancelled {
                self.stream.receipt(Some(uuid), "cancelled")?;
            }
            response = json!({ "still_queued": [], "cancelled": cancelled });
        }
        for asked in self.client.unsettled() {
            self.withdraw(&asked)?;
        }
        self.stream.respond(id, &response)
    }

    /// Tells the client that a request needs no answer.
    pub(super) fn withdraw(&mut self, asked: &str) -> anyhow::Result<()> {
        if self.client.withdraw(asked) {
            self.stream.withdraw(asked)?;
        }
        self.tell_state()
    }

    fn take_back(&mut self, id: &str, uuid: &Value) -> anyhow::Result<()> {
        let named = uuid.as_str();
        let cancelled = named.is_some_and(|named| self.client.waits(named));
        if cancelled {
            self.client.queue.retain(|message| message.uuid.as_deref() != named);
            self.stream.receipt(named, "cancelled")?;
        }
        let response = json!({ "cancelled": cancelled, "message_uuid": uuid });
        self.stream.respond(id, &response)?;
        self.tell_state()
    }

    fn set_mode(&mut self, id: &str, mode: &str) -> anyhow::Result<()> {
        if !MODES.contains(&mode) {
            let why = format!("Cannot set permission mode: must be one of {}", MODES.join(", "));
            return self.stream.refuse(id, &why, "invalid_mode");
        }
        self.stream.respond(id, &json!({ "mode": mode }))?;
        self.change_mode(mode)
    }

    /// From now on it works in another mode.
    pub(super) fn change_mode(&mut self, mode: &str) -> anyhow::Result<()> {
        self.rules.set_mode(mode);
        self.stream.mode(mode)
    }
}
