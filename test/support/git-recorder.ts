import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A `git` in front of the real one that writes down each argument it is given. */
export interface GitRecorder {
  /** A PATH on which it comes first. */
  readonly path: string;
  /** The arguments of every git that was started, in no order; without the tidying, which nobody asks for. */
  calls(): readonly (readonly string[])[];
}

/** Each call has a file of its own, since several may run at once and an argument may hold any character but NUL. */
export function recordGit(folder: string): GitRecorder {
  const searched = process.env.PATH ?? '/usr/bin:/bin';
  const real = searched.split(':').map((part) => join(part, 'git')).find((file) => existsSync(file)) ?? '/usr/bin/git';
  const bin = join(folder, 'bin');
  const records = join(folder, 'calls');
  for (const each of [bin, records]) mkdirSync(each);
  writeFileSync(join(bin, 'git'), `#!/bin/sh\nprintf '%s\\0' "$@" > '${records}/'$$\nexec '${real}' "$@"\n`);
  chmodSync(join(bin, 'git'), 0o755);
  return {
    path: `${bin}:${searched}`,
    calls: () => readdirSync(records).map((name) => readFileSync(join(records, name), 'utf8').split('\0').slice(0, -1)).filter((call) => !call.includes('gc')),
  };
}
