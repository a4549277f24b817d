import type { z } from 'zod';
import { nearestNames } from '../domain/nearest.js';

/** All that is wrong with a configuration, one sentence each. */
export class ConfigFaults extends Error {
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(`The configuration has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
    this.name = 'ConfigFaults';
    this.faults = faults;
  }
}

/** How a setting was called where it was given: `SLIPWAY_PORT`, `--port` or `slipway.yaml:3 port`. */
export type OriginOf = (keys: readonly PropertyKey[]) => string;

/** The sentences of an issue; one for each unknown key. */
export function describeIssue(issue: z.core.$ZodIssue, { originOf, keysBeside }: { originOf: OriginOf; keysBeside: (keys: readonly PropertyKey[]) => readonly string[] }): string[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const [near] = nearestNames(key, keysBeside(issue.path), 1);
      return `${originOf([...issue.path, key])} is not a setting${near === undefined ? '' : `; did you mean ${near}?`}`;
    });
  }
  const message = issue.code === 'invalid_type' ? describeType(issue) : issue.message;
  return [`${originOf(issue.path)} ${message}`];
}

function describeType({ expected, input }: z.core.$ZodIssueInvalidType): string {
  if (input === undefined) return 'must be given';
  return expected === 'array' ? 'must be a list' : 'must hold keys and values';
}
