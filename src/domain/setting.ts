import { AppError } from './errors.js';
import type { Scope } from './project.js';

/** A variable that was set from outside the file, as it may be shown: of a secret only the digest. */
export interface Setting {
  readonly name: string;
  /** Null for a secret. */
  readonly value: string | null;
  /** Null unless it is a secret; 64 hex digits. */
  readonly digest: string | null;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly by: string;
}

export type SettingChange =
  | { readonly kind: 'set'; readonly name: string; readonly value: string; readonly secret: boolean }
  | { readonly kind: 'unset'; readonly name: string };

/** Bytes of a value. */
export const LONGEST_VALUE = 64 * 1024;

/** How a scope is written in records and in the API. */
export const formatScope = (scope: Scope): string => (scope.kind === 'project' ? 'project' : `${scope.kind}:${scope.name}`);

export const isVariableName = (name: string): boolean => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name);

/** Why a variable of an application cannot have this name, as a sentence without its full stop; undefined when it can. */
export function variableFault(name: string): string | undefined {
  if (!isVariableName(name)) return `“${name}” is not the name of a variable`;
  return name === 'PORT' || name.startsWith('SLIPWAY_') ? `${name} is given by Slipway itself; use another name` : undefined;
}

/** @throws AppError `invalid_request` naming the variable, never its value */
export function assertSettable(change: SettingChange, buildArguments: readonly string[]): void {
  const { name } = change;
  const fault = variableFault(name);
  if (fault !== undefined) throw new AppError('invalid_request', `${fault}.`);
  if (change.kind === 'unset') return;
  if (change.value.includes('\0')) throw new AppError('invalid_request', `The value of ${name} holds a NUL, which no variable can.`);
  if (Buffer.byteLength(change.value) > LONGEST_VALUE) throw new AppError('invalid_request', `The value of ${name} is longer than 64 KiB.`);
  if (change.secret && buildArguments.includes(name)) {
    throw new AppError('invalid_request', `${name} is a build argument, and those can be read in the image’s history: a secret needs another name.`);
  }
}
