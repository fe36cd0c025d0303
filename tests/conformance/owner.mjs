// The owner at a browser: logs in and allows what an app asks for, by the forms of the pages themselves.

const STEPS = 10;

// Opens `address`, fills in every form that comes, and ends at the first page of another origin.
export async function allow(address, passphrase) {
  const origin = new URL(address).origin;
  const cookies = new Map();
  let request = { url: address, method: 'GET' };
  for (let step = 0; step < STEPS; step += 1) {
    const { url, ...options } = request;
    const ours = new URL(url).origin === origin;
    const headers = ours ? { cookie: [...cookies.values()].join('; '), origin, ...options.headers } : {};
    const response = await fetch(url, { ...options, headers, redirect: 'manual' });
    if (!ours) return;
    for (const cookie of response.headers.getSetCookie()) {
      cookies.set(cookie.split('=')[0], cookie.split(';')[0]);
    }
    const next = response.headers.get('location');
    request = next ? { url: new URL(next, url).href, method: 'GET' } : submit(url, await page(response), passphrase);
  }
  throw new Error(`no end after ${STEPS} pages, the last one ${request.url}`);
}

async function page(response) {
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.url} answers ${response.status}:\n${text}`);
  return text;
}

// What a browser sends when the page's form is filled in and its main button pressed.
function submit(url, html, passphrase) {
  const form = html.match(/<form\b([^>]*)>([\s\S]*?)<\/form>/);
  if (!form) throw new Error(`${url} has no form:\n${html}`);
  const { action = url } = attributes(form[1]);
  const fields = new URLSearchParams();
  for (const [, written] of form[2].matchAll(/<input\b([^>]*)>/g)) {
    const { type, name, value = type === 'checkbox' ? 'on' : '', checked } = attributes(written);
    if (type === 'password') fields.append(name, passphrase);
    else if (!['checkbox', 'radio'].includes(type) || checked !== undefined) fields.append(name, value);
  }
  const buttons = [...form[2].matchAll(/<button\b([^>]*)>/g)].map(([, written]) => attributes(written));
  const button = buttons.find((button) => button.class?.split(' ').includes('main')) ?? {};
  if (button.name) fields.append(button.name, button.value ?? '');
  return { url: new URL(button.formaction ?? action, url).href, method: 'POST', body: fields };
}

function attributes(written) {
  const pairs = written.matchAll(/([\w-]+)(?:="([^"]*)")?/g);
  return Object.fromEntries([...pairs].map(([, name, value = '']) => [name, unescaped(value)]));
}

function unescaped(text) {
  const named = { amp: '&', lt: '<', gt: '>', quot: '"' };
  return text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(amp|lt|gt|quot));/gi, (_, decimal, hex, name) =>
    name ? named[name.toLowerCase()] : String.fromCodePoint(decimal ? Number(decimal) : parseInt(hex, 16)));
}
