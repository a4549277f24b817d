import type { Recipe } from '../domain/build.js';
import type { BuildKey, CommitHash } from '../domain/ids.js';
import { createSingleFlight } from '../kernel/single-flight.js';
import { openContext, type Context } from './context.js';
import type { Git } from './git.js';
import type { IgnoreRules } from './ignore-rules.js';
import { hashKey, recipeText } from './key.js';
import { findRoot, listContext, type ContextEntry, type ContextRoot } from './list.js';
import { createBoundedMap } from './memo.js';

/** Contexts and build keys, both from one list. */
export interface Contexts {
  buildKey(commit: CommitHash, recipe: Recipe): Promise<BuildKey>;
  context(commit: CommitHash, recipe: Recipe): Promise<Context>;
}

export interface ContextsDeps {
  readonly git: Git;
  readonly ignore: IgnoreRules;
  readonly committedAt: (commit: CommitHash) => Promise<number>;
}

const KEYS_REMEMBERED = 10_000;
const LISTS_REMEMBERED = 4;
/** Longer lists are read again rather than kept. */
const LIST_MAX = 20_000;

export function createContexts({ git, ignore, committedAt }: ContextsDeps): Contexts {
  const byCommit = createBoundedMap<string, BuildKey>(KEYS_REMEMBERED);
  const byTree = createBoundedMap<string, BuildKey>(KEYS_REMEMBERED);
  const lists = createBoundedMap<string, readonly ContextEntry[]>(LISTS_REMEMBERED);
  const flights = createSingleFlight<string, BuildKey>();

  async function list(root: ContextRoot): Promise<readonly ContextEntry[]> {
    const name = `${root.tree} ${root.dockerfile}`;
    const known = lists.get(name);
    if (known) return known;
    const entries = await listContext(git, root, ignore);
    return entries.length > LIST_MAX ? entries : lists.set(name, entries);
  }

  async function computeKey(commit: CommitHash, recipe: Recipe): Promise<BuildKey> {
    const text = recipeText(recipe, commit);
    const root = await findRoot(git, commit, recipe);
    const name = `${root.tree} ${text}`;
    return byTree.get(name) ?? byTree.set(name, hashKey(text, await list(root)));
  }

  return {
    buildKey: async (commit, recipe) => {
      const name = `${commit} ${recipeText(recipe, commit)}`;
      return byCommit.get(name) ?? flights.run(name, async () => byCommit.set(name, await computeKey(commit, recipe)));
    },
    context: async (commit, recipe) => {
      const root = await findRoot(git, commit, recipe);
      return openContext(git, await list(root), await committedAt(commit));
    },
  };
}
