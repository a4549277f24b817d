import { createHash } from 'node:crypto';
import { resolveArgs, type Recipe } from '../domain/build.js';
import type { BuildKey, CommitHash } from '../domain/ids.js';
import { canonicalJson } from '../domain/release.js';
import { cleanPath, type ContextEntry } from './list.js';

/** Changes whenever keys of equal contexts would change. */
const VERSION = 'slipway-key-1';

/** The recipe as part of a key: one text for equal recipes, whatever the order of arguments or the spelling of paths. */
export function recipeText(recipe: Recipe, commit: CommitHash): string {
  const { target, platform, dependencies } = recipe;
  const paths = { context: cleanPath(recipe.context), dockerfile: cleanPath(recipe.dockerfile) };
  return canonicalJson({ ...paths, target, platform, args: resolveArgs(recipe, commit), dependencies });
}

/**
 * SHA-256 over the recipe and over path, mode and blob id of each file, in the order of the paths' bytes.
 * A submodule counts as the empty folder that Docker receives.
 */
export function hashKey(recipe: string, entries: readonly ContextEntry[]): BuildKey {
  const hash = createHash('sha256').update(`${VERSION}\0${recipe}\0`);
  for (const { path, mode, id } of inByteOrder(entries)) {
    hash.update((mode === '160000' ? [path, '040000', ''] : [path, mode, id]).join('\0')).update('\0');
  }
  return hash.digest('hex') as BuildKey;
}

function inByteOrder(entries: readonly ContextEntry[]): readonly ContextEntry[] {
  const rows = entries.map((entry) => ({ entry, bytes: Buffer.from(entry.path) }));
  return rows.sort((a, b) => Buffer.compare(a.bytes, b.bytes)).map(({ entry }) => entry);
}
