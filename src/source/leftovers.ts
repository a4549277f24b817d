import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Removes locks and half-written packs that a killed git left in a mirror.
 *
 * @param before milliseconds since the epoch; what is younger may belong to a git that still runs
 * @returns how many files were removed
 */
export async function removeLeftovers(gitDir: string, before: number): Promise<number> {
  const own = await list(gitDir, false);
  const refs = await list(join(gitDir, 'refs'), true);
  const packs = await list(join(gitDir, 'objects', 'pack'), false);
  const candidates = [...[...own, ...refs].filter((path) => path.endsWith('.lock')), ...packs.filter((path) => /\/(?:tmp_|\.tmp-)[^/]*$/.test(path))];
  let removed = 0;
  for (const path of candidates) {
    const found = await stat(path).catch(() => undefined);
    if (!found?.isFile() || found.mtimeMs > before) continue;
    await rm(path, { force: true });
    removed += 1;
  }
  return removed;
}

async function list(folder: string, recursive: boolean): Promise<string[]> {
  const names = await readdir(folder, { recursive }).catch(() => []);
  return names.map((name) => join(folder, name));
}
