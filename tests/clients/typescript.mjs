// A visit with the SDK for TypeScript, which holds each answer against its tool's schema: node typescript.mjs URL

import { readFileSync } from 'node:fs';

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const [, , url] = process.argv;
const visit = JSON.parse(readFileSync(new URL('visit.json', import.meta.url), 'utf8'));
const client = new Client({ name: 'visit', version: '1' });
await client.connect(new StreamableHTTPClientTransport(new URL(url)));
const { tools } = await client.listTools();
const seen = { tools: tools.length, calls: 0, refused: [], faults: [] };
let session;
for (const [name, given] of visit) {
  const input = JSON.parse(JSON.stringify(given).replaceAll('$SESSION', session));
  try {
    const answer = await client.callTool({ name, arguments: input });
    session ??= answer.structuredContent?.session?.session_id;
    seen.calls += 1;
    if (answer.isError) seen.refused.push(`${name}: ${answer.content[0].text}`);
  } catch (error) {
    seen.faults.push(`${name}: ${error.message}`);
  }
}
await client.close();
console.log(JSON.stringify(seen));
