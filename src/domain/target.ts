/** The address and port to dial for a running instance. */
export interface Target {
  readonly address: string;
  readonly port: number;
}

/** Whether two targets cannot belong to two containers: one address each, but the machine's own, where each has a port. */
export function isSamePlace(one: Target, other: Target): boolean {
  return one.address === other.address && (one.port === other.port || !one.address.startsWith('127.'));
}
