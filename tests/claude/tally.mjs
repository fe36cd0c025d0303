// What was counted in one round, and its rows of the table.

export class Tally {
  misses = [];
  messages = { sent: 0, exact: 0 };
  attached = { sent: 0, exact: 0 };
  // Turns that a transcript must tell, and what it does not.
  turns = 0;
  untold = 0;
  again = 0;
  unconfirmed = 0;
  prompts = 0;
  answered = 0;
  slowest = 0;
  widened = 0;
  accidental = 0;
  samples = 0;
  idle = 0;

  constructor(name) {
    this.name = name;
  }

  miss(what) {
    console.log(`MISS  ${this.name}: ${what}`);
    this.misses.push(what);
  }

  rows() {
    const { name, messages, attached } = this;
    const prompts = `answered as asked ${this.answered}, slowest found after ${this.slowest} ms, widened ${this.widened}, accidental ${this.accidental}`;
    return [
      [`${name}: messages`, messages.sent, `exact ${messages.exact}, refused and sent again ${this.again}, unconfirmed ${this.unconfirmed}`],
      [`${name}: messages with attachments`, attached.sent, `exact ${attached.exact}`],
      [`${name}: turns of transcripts`, this.turns, `not told ${this.untold}`],
      [`${name}: prompts`, this.prompts, prompts],
      [`${name}: state sampled`, this.samples, `false idle ${this.idle}`],
    ].map((row) => `| ${row.join(' | ')} |`).join('\n');
  }
}
