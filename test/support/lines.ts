import { request, type IncomingHttpHeaders } from 'node:http';

/** What is asked for, in the name of a host. */
export interface LinesAsked {
  readonly host: string;
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A reader of an answer that comes line by line. */
export interface LineReader extends Disposable {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** All complete lines so far. */
  readonly lines: readonly string[];
  /** The first line that satisfies, past or to come. @throws Error when the answer ends before */
  until(isIt: (line: string) => boolean): Promise<string>;
  /** Ends when the server ends the answer. */
  readonly ended: Promise<void>;
}

/** Asks and reads while the answer comes. */
export function openLines({ port }: { readonly port: number }, { host, path, method = 'GET', headers = {}, body }: LinesAsked): Promise<LineReader> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, method, agent: false, setHost: false, headers: { host: `${host}:${port}`, ...headers } }, (answer) => {
      const lines: string[] = [];
      const checks = new Set<() => void>();
      let rest = '';
      let over = false;
      const check = () => { for (const each of checks) each(); };
      const ended = new Promise<void>((done) => { answer.once('close', () => { over = true; check(); done(); }); });
      answer.on('error', () => undefined);
      answer.setEncoding('utf8').on('data', (text: string) => {
        const parts = (rest + text).split('\n');
        rest = parts.pop() ?? '';
        lines.push(...parts);
        check();
      });
      resolve({
        status: answer.statusCode ?? 0, headers: answer.headers, lines, ended,
        until: (isIt) => new Promise((found, missed) => {
          const look = () => {
            const line = lines.find(isIt);
            if (line !== undefined) found(line);
            else if (over) missed(new Error(`the answer ended after ${lines.slice(0, 20).join('\n')}`));
            if (line !== undefined || over) checks.delete(look);
          };
          checks.add(look);
          look();
        }),
        [Symbol.dispose]: () => { asked.destroy(); },
      });
    });
    asked.on('error', reject);
    asked.end(body);
  });
}
