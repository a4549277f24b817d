import { parseImageId } from '../domain/ids.js';
import type { ImageId } from '../domain/ids.js';
import { createBuildSteps } from './build-steps.js';
import { decodeTrace } from './buildkit-trace.js';
import { createJsonLines, errorOf, isObject } from './json-lines.js';
import { createLineCutter } from './line-cutter.js';
import { ifPrivate, isRefusal, refusingRegistry } from './registry-auth.js';

/** How a build's stream ended. */
export type BuildOutcome =
  | { readonly kind: 'image'; readonly id: ImageId }
  | { readonly kind: 'failed'; readonly message: string }
  /** The registry of an image let nobody in; undefined where nothing tells which one it is. */
  | { readonly kind: 'refused'; readonly image: string; readonly registry: string | undefined; readonly words: string }
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

/** @param mask takes out of the engine's words what nobody may read */
export function createBuildOutput(onLine: (line: string) => void, mask: (words: string) => string = (words) => words): BuildOutput {
  // What a build's own commands say stays: they are given nothing, and masking it would tell who guesses when the guess is right.
  const tell = (words: string) => (COMMAND_FAILED.test(words) ? words : mask(words));
  const steps = createBuildSteps(onLine, tell);
  let from: string | undefined;
  const plain = createLineCutter((line) => {
    const step = /^Step \d+\/\d+ : (.*)$/.exec(line)?.[1];
    if (line.startsWith(' ---> ')) from = undefined;
    if (step !== undefined) from = /^FROM\s+(?:--\S+\s+)*(\S+)/i.exec(step)?.[1];
    onLine(line);
  });
  let image: ImageId | undefined;
  let failure: BuildOutcome | undefined;

  const fail = (fault: string) => {
    const words = tell(fault.trim());
    const missing = steps.missing() ?? from;
    const image = missing ?? COPIED_FROM.exec(words)?.[1];
    if (image !== undefined && isRefusal(words)) failure ??= { kind: 'refused', image, registry: refusingRegistry(words, image), words };
    else failure ??= { kind: 'failed', message: missing === undefined ? words : missingBaseImage(missing, words) };
  };

  const read = (message: Record<string, unknown>) => {
    const fault = errorOf(message);
    if (fault !== undefined) fail(fault);
    else if (message.id === 'moby.buildkit.trace') steps.push(decodeTrace(String(message.aux)));
    else if (isObject(message.aux) && typeof message.aux.ID === 'string') image = parseImageId(message.aux.ID);
    else if (typeof message.stream === 'string') plain.push(message.stream);
    else if (typeof message.status === 'string' && !hasProgress(message)) plain.push(mask(statusLine(message)));
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
      if (failure !== undefined) return failure;
      return image === undefined ? { kind: 'cut' } : { kind: 'image', id: image };
    },
    lookingFor: () => steps.lookingFor(),
  };
}

/** The sentence for a base image that is not here and cannot be fetched. */
export function missingBaseImage(image: string, reason: string): string {
  return `The base image “${image}” could not be had: ${reason}. It must exist on this machine, or its registry must be reachable and have it.${ifPrivate(reason, refusingRegistry(reason, image) ?? 'HOST')}`;
}

/** How the builders say that a command of the Dockerfile's failed. */
const COMMAND_FAILED = /\bexecutor failed running \[|^The command '|" did not complete successfully: /;
/** How the classic builder says that the image of a `COPY --from` could not be had. */
const COPIED_FROM = /^invalid from flag value (\S+): /;

/** A pull sends thousands of these; its plain statuses say enough. */
function hasProgress({ progressDetail }: Record<string, unknown>): boolean {
  return isObject(progressDetail) && progressDetail.current !== undefined;
}

function statusLine({ id, status }: Record<string, unknown>): string {
  return `${typeof id === 'string' ? `${id}: ` : ''}${String(status)}\n`;
}
