/** The address and port to dial for a running instance. */
export interface Target {
  readonly address: string;
  readonly port: number;
}
