import { createProgram, type ProgramDeps } from '../../src/cli/program.js';
import type { Input } from '../../src/cli/secrets.js';
import { createFakeClock } from '../support/fake-clock.js';

export interface Ran { readonly code: number; readonly stdout: string; readonly stderr: string }

export interface CliOptions {
  /** Where the API is; a port where nobody listens where it is left away. */
  readonly url?: string;
  /** What is piped in, or a terminal; nothing by default. */
  readonly stdin?: string | Input;
  readonly settings?: Partial<ProgramDeps['settings']>;
  readonly clock?: ProgramDeps['clock'];
  readonly user?: string | undefined;
}

export const TOKEN = 'slw_of-the-test';
/** Nobody listens on the port of the discard service. */
export const NOWHERE = 'http://127.0.0.1:9';

/** Pauses of no length. */
export const hastyClock: ProgramDeps['clock'] = { ...createFakeClock(), sleep: async () => undefined };

/** Runs the client in this process, as `slipway ARGS…` would. */
export async function runCli(args: readonly string[], { url, stdin = '', settings, clock = hastyClock, ...rest }: CliOptions = {}): Promise<Ran> {
  const written = { stdout: '', stderr: '' };
  const program = createProgram({
    clock, user: 'user' in rest ? rest.user : 'alice',
    stdout: { write: (text) => { written.stdout += text; } }, stderr: { write: (text) => { written.stderr += text; } },
    stdin: typeof stdin === 'string' ? piped(stdin) : stdin,
    settings: { server: url ?? NOWHERE, token: TOKEN, stateDir: undefined, defaultStateDir: '/nowhere/slipway', ...settings },
  });
  const code = await program.run(args);
  return { code, ...written };
}

/** Bytes, cut where it hurts. */
async function* piped(text: string): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += 3) yield bytes.subarray(at, at + 3);
}

/** What is piped in where nothing is. */
export const silence = (): Input => piped('');
