import { NAVIGATION, type TestAnswer, type TestApp } from './test-app.js';

/** A browser with `routing: session`: keeps its cookie and says what it was given. */
export interface SessionBrowser {
  go(path: string, headers?: Readonly<Record<string, string>>): Promise<TestAnswer>;
  /** Follows redirects as far as they go. */
  open(path: string, headers?: Readonly<Record<string, string>>): Promise<TestAnswer>;
  /** Opens the question at a path and presses its button. */
  confirm(path: string): Promise<{ readonly action: string; readonly sent: TestAnswer }>;
  cookie(): string;
}

export function createSessionBrowser(app: TestApp, host = 'localhost'): SessionBrowser {
  let cookie = '';
  const go: SessionBrowser['go'] = async (path, headers = NAVIGATION) => {
    const answer = await app.get(host, path, { headers: { ...headers, ...(cookie === '' ? {} : { cookie }) } });
    const [given] = answer.headers['set-cookie'] ?? [];
    if (given?.startsWith('slw_sid=')) cookie = given.split(';')[0] ?? '';
    return answer;
  };
  const open: SessionBrowser['open'] = async (path, headers) => {
    let answer = await go(path, headers);
    for (let hops = 0; answer.status === 302 && hops < 5; hops += 1) answer = await go(new URL(answer.headers.location ?? '').href.replace(/^https?:\/\/[^/]+/, ''), headers);
    return answer;
  };
  const confirm: SessionBrowser['confirm'] = async (path) => {
    const { text } = await go(path);
    const [, action = ''] = /<form[^>]* action="([^"]+)"/.exec(text) ?? [];
    const fields = new URLSearchParams();
    for (const [, name = '', value = ''] of text.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)) fields.append(name, value);
    const sent = await app.get(host, action, {
      method: 'POST', body: fields.toString(),
      headers: { ...NAVIGATION, cookie, 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin', 'origin': `http://${host}:${app.port}` },
    });
    return { action, sent };
  };
  return { go, open, confirm, cookie: () => cookie };
}

/** What a page of this server links to, sends to or loads. */
export const urlsIn = (page: string): string[] =>
  [...page.matchAll(/(?:href|src|action)="([^"#]*)"/g)].map(([, url = '']) => url.replaceAll('&amp;', '&'));
