import { readFileSync } from 'node:fs';
import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node, type Pair } from 'yaml';

/** A configuration file as read, with the way from a key to its line. */
export interface ConfigFile {
  readonly path: string;
  /** Its keys; empty when the file is. */
  readonly tree: Readonly<Record<string, unknown>>;
  /** `slipway.yaml:12` for a key, or for the nearest one above it that is there. */
  placeOf(keys: readonly PropertyKey[]): string;
}

const MAX_BYTES = 1024 * 1024;

/** Reads a YAML file, pushing a sentence for each fault in its syntax. @returns undefined when there is any */
export function readConfigFile(path: string, faults: string[]): ConfigFile | undefined {
  const text = readText(path, faults);
  if (text === undefined) return undefined;
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number) => `${path}:${lines.linePos(offset).line}`;
  for (const { code, pos, message } of [...document.errors, ...document.warnings]) faults.push(`${at(pos[0])} ${code === 'DUPLICATE_KEY' ? `${keyAt(text, pos[0])} is given twice: give each key once` : message}`);
  if (document.errors.length > 0) return undefined;
  const tree: unknown = toTree(document, faults, path);
  if (tree === null || typeof tree !== 'object' || Array.isArray(tree)) {
    if (tree !== undefined) faults.push(`${path} must hold keys and values, such as “projects:”`);
    return undefined;
  }
  return { path, tree: tree as Record<string, unknown>, placeOf: (keys) => at(offsetOf(document.contents, keys)) };
}

const keyAt = (text: string, offset: number): string => /^(?:"[^"\n]*"|'[^'\n]*'|[^\s:,{}]+(?: [^\s:,{}]+)*)/.exec(text.slice(offset))?.[0] ?? 'a key';

function readText(path: string, faults: string[]): string | undefined {
  try {
    const text = readFileSync(path);
    if (text.length <= MAX_BYTES) return text.toString();
    faults.push(`${path} is larger than 1 MiB: it cannot be a configuration file`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    faults.push(code === 'ENOENT' ? `there is no file ${path}` : code === 'EISDIR' ? `${path} is a folder: name the file in it` : `${path} cannot be read (${code ?? 'unknown fault'})`);
  }
  return undefined;
}

/** An empty file says nothing, which is allowed. Aliases that would unfold without bound are not. */
function toTree(document: Document, faults: string[], path: string): unknown {
  if (document.contents === null || (isScalar(document.contents) && document.contents.value === null)) return {};
  try {
    return document.toJS() as unknown;
  } catch (error) {
    faults.push(`${path} ${(error as Error).message}`);
    return undefined;
  }
}

function offsetOf(contents: Document['contents'], keys: readonly PropertyKey[]): number {
  let node: unknown = contents;
  let offset = (contents)?.range?.[0] ?? 0;
  for (const key of keys) {
    const next = stepInto(node, key);
    if (!next) break;
    ({ node, offset } = next);
  }
  return offset;
}

function stepInto(node: unknown, key: PropertyKey): { node: unknown; offset: number } | undefined {
  if (isMap(node)) {
    const pair = node.items.find((item: Pair) => isScalar(item.key) && String(item.key.value) === String(key));
    return pair && { node: pair.value, offset: (pair.key as Node).range?.[0] ?? 0 };
  }
  const item: unknown = isSeq(node) ? node.items[Number(key)] : undefined;
  return item === undefined ? undefined : { node: item, offset: (item as Node).range?.[0] ?? 0 };
}
