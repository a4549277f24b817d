import { AppError } from '../domain/errors.js';
import { errorCode } from '../kernel/error-code.js';

/** The connection was lost, as opposed to refused or filled with something that is not HTTP. */
export function isConnectionLoss(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ECONNRESET' || code === 'EPIPE' || code === 'ECONNABORTED';
}

/** What it means for the client that the container's side of an exchange failed before its answer began. */
export function toUpstreamFailure(error: unknown): AppError {
  if (error instanceof AppError) return error;
  return new AppError('bad_upstream', sentence(error), { cause: error });
}

function sentence(error: unknown): string {
  const code = errorCode(error);
  if (code === 'HPE_HEADER_OVERFLOW') return 'The application sent more header lines than fit into 16 KiB.';
  if (code.startsWith('HPE_')) return `The application did not answer in HTTP (${code}).`;
  if (isConnectionLoss(error)) return 'The application closed the connection before it answered.';
  if (code === 'ECONNREFUSED') return 'The application does not listen on its port.';
  return 'The application cannot be reached.';
}
