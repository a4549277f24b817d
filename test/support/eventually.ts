import { setTimeout as sleep } from 'node:timers/promises';

const PAUSE_MS = 50;

export interface Patience {
  /** What is waited for, for the message. */
  readonly what: string;
  readonly withinMs?: number;
}

/** Asks again until the answer is neither undefined nor false. @throws Error that names what did not come, and the last failure */
export async function eventually<Answer>(ask: () => Answer | undefined | false | Promise<Answer | undefined | false>, { what, withinMs = 30_000 }: Patience): Promise<Answer> {
  const until = performance.now() + withinMs;
  let failure: unknown;
  do {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      failure = error;
    }
    await sleep(PAUSE_MS);
  } while (performance.now() < until);
  throw new Error(`${what}: not within ${withinMs / 1_000} s`, { cause: failure });
}
