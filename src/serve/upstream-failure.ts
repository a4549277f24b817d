import type { IncomingMessage } from 'node:http';
import { AppError } from '../domain/errors.js';
import { errorCode } from '../kernel/error-code.js';

/** The connection was lost, as opposed to refused or filled with something that is not HTTP. */
export function isConnectionLoss(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ECONNRESET' || code === 'EPIPE' || code === 'ECONNABORTED';
}

type Asked = Pick<IncomingMessage, 'rawHeaders'>;

/** More than many servers take at most; some close the connection on it and say nothing (faults G22). */
const LARGE_HEADER_BYTES = 8 * 1024;

/** What it means for the client that the container's side of an exchange failed before its answer began. */
export function toUpstreamFailure(error: unknown, asked?: Asked): AppError {
  if (error instanceof AppError) return error;
  if (asked && isConnectionLoss(error)) return closedUnanswered(asked, error);
  return new AppError('bad_upstream', sentence(error), { cause: error });
}

/** The container closed the connection on which it was asked. */
export function closedUnanswered({ rawHeaders }: Asked, cause?: unknown): AppError {
  const bytes = rawHeaders.reduce((sum, part) => sum + part.length + 2, 0);
  if (bytes <= LARGE_HEADER_BYTES) return new AppError('bad_upstream', CLOSED, { cause });
  return new AppError('header_too_large', `The application closed the connection on a request header of ${Math.round(bytes / 1024)} KiB.`, { cause });
}

const CLOSED = 'The application closed the connection before it answered.';

function sentence(error: unknown): string {
  const code = errorCode(error);
  if (code === 'HPE_HEADER_OVERFLOW') return 'The application sent more header lines than fit into 16 KiB.';
  if (code.startsWith('HPE_')) return `The application did not answer in HTTP (${code}).`;
  if (isConnectionLoss(error)) return CLOSED;
  if (code === 'ECONNREFUSED') return 'The application does not listen on its port.';
  return 'The application cannot be reached.';
}
