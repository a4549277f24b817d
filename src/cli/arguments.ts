import { InvalidArgumentError } from 'commander';
import { AppError } from '../domain/errors.js';
import { parseBuildId, parseProjectName } from '../domain/ids.js';
import { isVariableName, variableFault } from '../domain/setting.js';
import { wrongUsage } from './failure.js';

/** Everything that becomes part of a path is read here, so that it can be nothing else than what it names. */

/** @throws InvalidArgumentError, which commander turns into a sentence with the argument's name; so do all of these */
export const readProject = (text: string): string => named(() => parseProjectName(text));

/** One more of several projects. */
export const readProjects = (text: string, before: readonly string[] = []): readonly string[] => [...before, readProject(text)];

export const readBuild = (text: string): string => named(() => parseBuildId(text));

/** A stage, an environment or a preview's label. */
export function readLabel(text: string): string {
  if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(text)) throw new InvalidArgumentError('Such a name has a-z, 0-9 and inner hyphens.');
  return text;
}

/** `v7`, or `7` for short. */
export function readRelease(text: string): string {
  const [, number] = /^v?([1-9]\d{0,8})$/.exec(text) ?? [];
  if (number === undefined) throw new InvalidArgumentError('A release is called v7.');
  return `v${number}`;
}

export function readCount(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('Give a number, 1 or more.');
  return Number(text);
}

/** `shop` or `shop@v3`. */
export function readProjectRelease(text: string): { readonly project: string; readonly release: string | undefined } {
  const [project = '', release, ...more] = text.split('@');
  if (more.length > 0) throw new InvalidArgumentError('Write PROJECT or PROJECT@v3.');
  return { project: readProject(project), release: release === undefined ? undefined : readRelease(release) };
}

/** `NAME=value` of variables, the value as it stands. @throws CommandFailure that repeats nothing of what may be a secret */
export function readAssignments(texts: readonly string[], form = 'NAME=value'): readonly (readonly [name: string, value: string])[] {
  return texts.map((text, at) => {
    const mark = text.indexOf('=');
    if (mark < 0) throw wrongUsage(`There is no “=” in ${texts.length === 1 ? 'what is to be set' : `number ${at + 1} of what is to be set`}: write ${form}. ${UNREPEATED}`);
    return [text.slice(0, mark), text.slice(mark + 1)];
  });
}

const UNREPEATED = 'What stands there is not repeated here, as it may be a secret.';

/** @throws CommandFailure where one is no name of a variable, or is there twice; it repeats nothing that is no name */
export function assertVariables(names: readonly string[]): void {
  names.forEach((name, at) => {
    if (!isVariableName(name)) throw wrongUsage(`What is given for a name is not the name of a variable: that has letters, digits and _, and no digit first. ${UNREPEATED}`);
    const fault = variableFault(name);
    if (fault !== undefined) throw wrongUsage(`${fault}.`);
    if (names.indexOf(name) !== at) throw wrongUsage(`${name} is given twice.`);
  });
}

function named(read: () => string): string {
  try {
    return read();
  } catch (error) {
    if (error instanceof AppError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}
