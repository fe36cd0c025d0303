// What Claude Code asks before it takes a first message: [kind, the home for it, how it is answered].

export const first = [
  ['trust', { untrusted: true }, (berth, id) => berth.press(id, 'Up', 'Enter')],
  [
    'auto mode offered',
    { state: { hasSeenAutoDefaultNudge: undefined, hasSeenAutoDefaultNotice: undefined } },
    (berth, id, prompt) => berth.call('respond_to_prompt', { session_id: id, prompt_id: prompt, response: 'No, keep manual mode' }),
  ],
];
