/** What must answer, and how long it may fail. Times in milliseconds. */
export interface HealthCheck {
  readonly test: HealthTest;
  /** Between two looks at what runs. */
  readonly everyMs: number;
  /** How long one answer may take. */
  readonly timeoutMs: number;
  /** Failing for so long, what runs is started anew. */
  readonly unhealthyMs: number;
}

export type HealthTest =
  | { readonly kind: 'http'; readonly method: 'GET' | 'HEAD'; readonly path: string; readonly status: number }
  | { readonly kind: 'tcp' };

/** A path may hold all that a URL may: printable ASCII without spaces. */
const LINE = /^(GET|HEAD) (\/[\x21-\x7e]*) ([1-5]\d\d)$/;

/** Reads `GET /healthz 200` or `tcp`. @returns undefined when it is neither */
export function parseHealthTest(text: string): HealthTest | undefined {
  if (text === 'tcp') return { kind: 'tcp' };
  const [, method, path = '', status = ''] = LINE.exec(text) ?? [];
  return method === 'GET' || method === 'HEAD' ? { kind: 'http', method, path, status: Number(status) } : undefined;
}

/** What is asked, without what must be answered: `GET /healthz`, or `tcp`. */
export const formatAsked = (test: HealthTest): string => (test.kind === 'tcp' ? 'tcp' : `${test.method} ${test.path}`);
