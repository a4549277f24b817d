import type { UpdateAnswer } from '../../src/web/update-api.js';
import type { TestApp } from './test-app.js';

/** Who commits, for commands of git that want to know. */
export const ADA = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com'] as const;

/** Sends `POST /repo/update` with the token. */
export async function update(app: TestApp, body: Record<string, unknown> = {}): Promise<UpdateAnswer & { status: number; error?: string; message?: string }> {
  const answer = await app.control('/repo/update', { method: 'POST', headers: { authorization: `Bearer ${app.token}` }, body: JSON.stringify(body) });
  return { ...answer.json() as unknown as UpdateAnswer, status: answer.status };
}

/** A commit as an update tells of it. */
export const committed = (app: TestApp, branch: string | null, hash: string) => ({ branch, hash, author: app.repository.git('log', '-1', '--format=%an', hash), message: app.repository.git('log', '-1', '--format=%s', hash) });
