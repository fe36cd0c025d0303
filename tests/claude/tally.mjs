// What was counted in one round, and its rows of the table.

export class Tally {
  misses = [];
  messages = 0;
  exact = 0;
  again = 0;
  unconfirmed = 0;
  prompts = 0;
  answered = 0;
  slowest = 0;
  widened = 0;
  accidental = 0;
  samples = 0;
  idle = 0;

  miss(what) {
    this.misses.push(what);
  }

  rows(name) {
    const prompts = `answered as asked ${this.answered}, slowest found after ${this.slowest} ms, widened ${this.widened}, accidental ${this.accidental}`;
    return [
      [`${name}: messages`, this.messages, `exact ${this.exact}, refused and sent again ${this.again}, unconfirmed ${this.unconfirmed}`],
      [`${name}: prompts`, this.prompts, prompts],
      [`${name}: state sampled`, this.samples, `false idle ${this.idle}`],
    ].map((row) => `| ${row.join(' | ')} |`).join('\n');
  }
}
