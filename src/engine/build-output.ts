import { parseImageId } from '../domain/ids.js';
import type { ImageId } from '../domain/ids.js';
import { createBuildSteps } from './build-steps.js';
import { decodeTrace } from './buildkit-trace.js';
import { createJsonLines, errorOf, isObject } from './json-lines.js';
import { createLineCutter } from './line-cutter.js';

/** How a build's stream ended. */
export type BuildOutcome =
  | { readonly kind: 'image'; readonly id: ImageId }
  | { readonly kind: 'failed'; readonly message: string }
  /** It neither named an image nor an error: the connection was lost. */
  | { readonly kind: 'cut' };

/** Reads the engine's stream of JSON lines, both builders'; nothing is kept but the current line. */
export interface BuildOutput {
  /** Bytes as they come, cut anywhere. */
  push(chunk: Uint8Array): void;
  /** Call it once the stream ended; what comes after a failure never makes a success of it. */
  finish(): BuildOutcome;
  /** The base image whose description is being looked for; undefined when none is. */
  lookingFor(): string | undefined;
}

export function createBuildOutput(onLine: (line: string) => void): BuildOutput {
  const steps = createBuildSteps(onLine);
  let from: string | undefined;
  const plain = createLineCutter((line) => {
    const step = /^Step \d+\/\d+ : (.*)$/.exec(line)?.[1];
    if (line.startsWith(' ---> ')) from = undefined;
    if (step !== undefined) from = /^FROM\s+(?:--\S+\s+)*(\S+)/i.exec(step)?.[1];
    onLine(line);
  });
  let image: ImageId | undefined;
  let failure: string | undefined;

  const fail = (message: string) => { failure ??= message; };

  const read = (message: Record<string, unknown>) => {
    const fault = errorOf(message);
    if (fault !== undefined) fail(explain(fault, steps.missing() ?? from));
    else if (message.id === 'moby.buildkit.trace') steps.push(decodeTrace(String(message.aux)));
    else if (isObject(message.aux) && typeof message.aux.ID === 'string') image = parseImageId(message.aux.ID);
    else if (typeof message.stream === 'string') plain.push(message.stream);
    else if (typeof message.status === 'string' && !hasProgress(message)) plain.push(statusLine(message));
  };

  const lines = createJsonLines({
    onObject: read,
    onFault: (why) => { fail(`The engine's build output cannot be understood (${why}).`); },
  });

  return {
    push: lines.push,
    finish: () => {
      lines.finish();
      plain.finish();
      steps.finish();
      if (failure !== undefined) return { kind: 'failed', message: failure };
      return image === undefined ? { kind: 'cut' } : { kind: 'image', id: image };
    },
    lookingFor: () => steps.lookingFor(),
  };
}

/** The sentence for a base image that is not here and cannot be fetched. */
export function missingBaseImage(image: string, reason: string): string {
  return `The base image “${image}” could not be had: ${reason}. It must exist on this machine, or its registry must be reachable and have it.`;
}

/** `from` is the image being fetched when the error came, if any: only then is the error about it. */
function explain(fault: string, from: string | undefined): string {
  const own = fault.trim();
  return from === undefined ? own : missingBaseImage(from, own);
}

/** A pull sends thousands of these; its plain statuses say enough. */
function hasProgress({ progressDetail }: Record<string, unknown>): boolean {
  return isObject(progressDetail) && progressDetail.current !== undefined;
}

function statusLine({ id, status }: Record<string, unknown>): string {
  return `${typeof id === 'string' ? `${id}: ` : ''}${String(status)}\n`;
}
