// What must be ended when the script ends, also if it is told to end early: berth, servers of tmux, folders.

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };
const open = new Set();

// A function that ends it as `end` does, and only once.
export function ends(end) {
  const once = async () => {
    if (open.delete(once)) await end();
  };
  open.add(once);
  return once;
}

for (const [signal, number] of Object.entries(SIGNALS)) {
  process.once(signal, async () => {
    console.log(`ended by ${signal}`);
    // What fails because of that must not keep the rest from being ended.
    for (const fault of ['uncaughtException', 'unhandledRejection']) process.on(fault, () => {});
    // What was begun last needs what was begun before it.
    for (const end of [...open].reverse()) await end().catch((error) => console.log(`not ended: ${error.message}`));
    process.exit(128 + number);
  });
}
