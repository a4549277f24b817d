import type { BuildTrace, TraceLog, TraceStatus, TraceVertex } from './buildkit-trace.js';
import { createLineCutter } from './line-cutter.js';
import type { LineCutter } from './line-cutter.js';

/** Writes BuildKit's trace as `docker build --progress=plain` would: `#5 [2/3] RUN …`, `#5 output`, `#5 DONE 0.3s`. */
export interface BuildSteps {
  push(trace: BuildTrace): void;
  /** Gives out lines without an end. */
  finish(): void;
  /** The base image whose description is being looked for; undefined when none is. */
  lookingFor(): string | undefined;
  /** The base image that could not be had; undefined when that is not what failed. */
  missing(): string | undefined;
}

interface Step {
  readonly number: number;
  readonly output: LineCutter;
  readonly done: Set<string>;
  announced: boolean;
  ended: boolean;
}

/** @param tell what may be told of the engine's words about a failure */
export function createBuildSteps(onLine: (line: string) => void, tell: (words: string) => string): BuildSteps {
  const steps = new Map<string, Step>();
  const looking = new Set<string>();
  let missing: string | undefined;

  const stepOf = (digest: string): Step => {
    const known = steps.get(digest);
    if (known) return known;
    const number = steps.size + 1;
    const output = createLineCutter((line) => { onLine(`#${number} ${line}`); });
    const step: Step = { number, output, done: new Set(), announced: false, ended: false };
    steps.set(digest, step);
    return step;
  };

  const end = (step: Step, vertex: TraceVertex) => {
    step.ended = true;
    step.output.finish();
    onLine(`#${step.number} ${endWords({ ...vertex, error: tell(vertex.error) })}`);
  };

  const showVertex = (vertex: TraceVertex) => {
    const described = describedBy(vertex.name);
    if (described !== undefined) {
      if (vertex.completedAt === null) looking.add(described);
      else looking.delete(described);
    }
    if (vertex.error !== '' && !isConsequence(vertex.error)) missing ??= baseImageOf(vertex.name);
    if (vertex.startedAt === null) return;
    const step = stepOf(vertex.digest);
    if (!step.announced) {
      step.announced = true;
      onLine(`#${step.number} ${firstLine(vertex.name)}`);
    }
    if (vertex.completedAt !== null && !step.ended) end(step, vertex);
  };

  const showStatus = ({ id, vertex, completed }: TraceStatus) => {
    const step = steps.get(vertex);
    if (!completed || !step || step.ended || step.done.has(id)) return;
    step.done.add(id);
    onLine(`#${step.number} ${firstLine(id)} done`);
  };

  const showLog = ({ vertex, bytes }: TraceLog) => { stepOf(vertex).output.push(bytes); };

  return {
    push: ({ vertexes, statuses, logs }) => {
      // Output that comes with the end of its step belongs before it.
      vertexes.filter((vertex) => vertex.completedAt === null).forEach(showVertex);
      logs.forEach(showLog);
      statuses.forEach(showStatus);
      vertexes.filter((vertex) => vertex.completedAt !== null).forEach(showVertex);
    },
    finish: () => { for (const step of steps.values()) step.output.finish(); },
    lookingFor: () => [...looking][0],
    missing: () => missing,
  };
}

function endWords({ error, cached, startedAt, completedAt }: TraceVertex): string {
  if (error !== '') return isConsequence(error) ? 'CANCELED' : `ERROR ${firstLine(error)}`;
  if (cached) return 'CACHED';
  return `DONE ${(Math.max(0, (completedAt ?? 0) - (startedAt ?? 0)) / 1000).toFixed(1)}s`;
}

/** Steps that end because another one failed. */
const isConsequence = (error: string): boolean => error.includes('context canceled');

const firstLine = (text: string): string => text.split('\n', 1)[0] ?? '';

/** What a step of BuildKit's that fetches an image is called: its description, its layers, those of a `COPY --from`, and a Dockerfile's `syntax`. */
const DESCRIPTION = /^\[internal\] load metadata for (\S+)$/;
const LAYERS = /^(?:\[[^\]]*\] )?FROM (\S+)$/;
const SYNTAX = /^resolve image config for (?:docker-image:\/\/)?(\S+)$/;

/** The image that a step of BuildKit's fetches, as the Dockerfile's author wrote it; undefined for every other step. */
export const baseImageOf = (name: string): string | undefined => asWritten(DESCRIPTION.exec(name) ?? LAYERS.exec(name) ?? SYNTAX.exec(name));

/** Layers may take as long as they take. */
const describedBy = (name: string): string | undefined => asWritten(DESCRIPTION.exec(name));

const asWritten = (match: RegExpExecArray | null): string | undefined =>
  match?.[1]?.replace(/^docker\.io\/(?:library\/)?/, '').replace(/@sha256:[0-9a-f]{64}$/, '');
