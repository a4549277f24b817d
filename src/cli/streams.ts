/** One of the server's events. */
export interface ServerEvent {
  readonly event: string;
  /** 0 for an event without a number. */
  readonly id: number;
  /** JSON. */
  readonly text: string;
}

/** Takes bytes, cut anywhere, apart into lines without their ends; what has no end at the end is a line as well. */
export async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield line.endsWith('\r') ? line.slice(0, -1) : line;
  }
  rest += decoder.decode();
  if (rest !== '') yield rest;
}

/** Reads server-sent events; comments and retry times are left out, as is an event that was cut off. @see https://html.spec.whatwg.org/multipage/server-sent-events.html */
export async function* eventsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  let fields = new Map<string, string>();
  for await (const line of linesOf(body)) {
    if (line !== '') {
      const [, name = '', value = ''] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
      fields.set(name, name === 'data' && fields.has('data') ? `${fields.get('data') ?? ''}\n${value}` : value);
      continue;
    }
    const text = fields.get('data');
    if (text !== undefined) yield { event: fields.get('event') ?? 'message', id: Number(fields.get('id') ?? 0), text };
    fields = new Map();
  }
}
