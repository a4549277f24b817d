/** What must answer, and how long it may fail. Times in milliseconds. */
export interface HealthCheck {
  readonly test: HealthTest;
  /** Between two looks at what runs. */
  readonly everyMs: number;
  /** How long one answer may take. */
  readonly timeoutMs: number;
  /** Failing for so long, what runs is started anew. */
  readonly unhealthyMs: number;
}

export type HealthTest =
  | { readonly kind: 'http'; readonly method: 'GET' | 'HEAD'; readonly path: string; readonly status: number }
  | { readonly kind: 'tcp' };
