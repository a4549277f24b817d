import { AppError, ERRORS, isPassing, toAppError, withRemedy, type ErrorCode } from '../../src/domain/errors.js';

const CODES = Object.keys(ERRORS) as ErrorCode[];

/** The table of statuses in design.md section 7, by the codes it means. */
const STATUSES: Readonly<Record<number, readonly ErrorCode[]>> = {
  400: ['invalid_branch', 'invalid_hash', 'invalid_image', 'invalid_name', 'invalid_request', 'bad_path', 'not_a_commit'],
  401: ['missing_token'],
  403: ['cross_site', 'from_preview_network'],
  404: ['unknown_ref', 'commit_not_found', 'unknown_environment', 'unknown_build', 'unknown_preview'],
  409: ['ambiguous_hash'],
  413: ['too_large'],
  421: ['unknown_host'],
  424: ['build_failed', 'build_timeout', 'build_cancelled', 'build_interrupted', 'no_dockerfile'],
  429: ['too_many_requests'],
  502: ['crashed', 'bad_upstream'],
  503: ['preview_pending', 'queue_full', 'disk_low', 'engine_unavailable', 'engine_timeout', 'git_unreachable', 'shutting_down'],
  504: ['start_timeout', 'upstream_timeout'],
};

describe('the table of errors', () => {
  it.each(CODES)('%s is in snake_case and has a failure’s status, a title and a remedy', (code) => {
    const { status, title, remedy } = ERRORS[code];
    expect(code).toMatch(/^[a-z]+(?:_[a-z]+)*$/);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    expect(title).toMatch(/^[A-Z].*[^.]$/);
    expect(remedy).toMatch(/^[A-Z].*\.$/);
  });

  it.each(Object.entries(STATUSES))('answers %s where the design says so', (status, codes) => {
    expect(codes.map((code) => [code, ERRORS[code].status])).toEqual(codes.map((code) => [code, Number(status)]));
  });
});

describe('an error of ours', () => {
  it.each(['SQLITE_FULL', 'SQLITE_IOERR_SHMSIZE', 'ENOSPC', 'EDQUOT'])('says that the disk is full where that is why: %s', (code) => {
    const thrown = Object.assign(new Error('database or disk is full'), { code });
    const error = toAppError(thrown);
    expect([error.code, error.status, withRemedy(error), error.cause]).toEqual(['disk_full', 507, 'The disk of the state directory is full: nothing more can be recorded. Make room on it and try again.', thrown]);
    expect([isPassing('disk_full'), toAppError(Object.assign(new Error(), { code: 'SQLITE_BUSY' })).code]).toEqual([true, 'internal']);
  });

  it('has its code’s status, its sentence, its cause and its details', () => {
    const cause = new Error('ENOENT');
    const error = new AppError('unknown_ref', 'No “x”.', { cause, details: { nearest: ['y'] } });
    expect(error).toMatchObject({ name: 'AppError', code: 'unknown_ref', status: 404, message: 'No “x”.', cause, details: { nearest: ['y'] } });
    expect(new AppError('internal', 'x').details).toEqual({});
  });

  it('stays itself when it is caught', () => {
    const error = new AppError('queue_full', 'Full.');
    expect(toAppError(error)).toBe(error);
  });

  it.each([[new Error('secret of /etc/shadow')], ['secret text'], [undefined], [null], [{ status: 200 }]])('tells nobody the text of what was thrown otherwise: %p', (thrown) => {
    const error = toAppError(thrown);
    expect([error.code, error.status, error.cause]).toEqual(['internal', 500, thrown]);
    expect(error.message).not.toContain('secret');
  });
});
