/** The process that runs us, as `main.ts` hands it on: nobody else touches it. */
export interface Runtime {
  /** Node's version, such as `v24.1.0`. */
  readonly version: string;
  /** Seconds since the process began. */
  uptime(): number;
  /** In bytes. */
  memoryUsage(): { readonly rss: number; readonly heapTotal: number; readonly heapUsed: number; readonly external: number };
  on(event: 'uncaughtExceptionMonitor', listener: FailureListener): unknown;
  off(event: 'uncaughtExceptionMonitor', listener: FailureListener): unknown;
}

/** `origin` is `uncaughtException` or `unhandledRejection`. */
export type FailureListener = (error: unknown, origin: string) => void;
