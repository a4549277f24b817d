import { createLog, type ApplicationLog } from '../../src/kernel/log.js';

/** The real log with nothing but its ring, which a test can read. */
export const createQuietLog = (): ApplicationLog => createLog({ level: 'debug', file: null, console: false });
