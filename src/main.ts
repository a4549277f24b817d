#!/usr/bin/env node
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import type { Command } from 'commander';
import { createApp } from './app.js';
import { EXIT } from './cli/failure.js';
import { outputFault } from './cli/output.js';
import { createProgram, type Program } from './cli/program.js';
import { renderDefaults } from './config/defaults.js';
import { ConfigFaults, listSettings, loadConfig, readClientSettings, type Config, type Flags } from './config.js';
import { AppError } from './domain/errors.js';
import { createDockerEngine, NETWORK_POOL } from './engine/docker.js';
import { createRegistryAuth } from './engine/registry-auth.js';
import { systemClock as clock } from './kernel/clock.js';
import { createLog } from './kernel/log.js';
import { openDatabase } from './state/database.js';
import { readIdentity } from './state/identity.js';
import { readSecretsKey } from './state/secrets-key.js';

const VIEWS = fileURLToPath(new URL('../views', import.meta.url));

/**
 * V8 counts the buffers of bodies that pass through as memory that its next large collection must free, and would begin one
 * after every 30 to 60 MB, for ever, once a crowd has been there: half of the throughput of large bodies. So that its heap
 * may grow to three times of what lives before that, whatever has passed through; the small collections free the buffers.
 *
 * @see https://nodejs.org/api/v8.html#v8setflagsfromstringflags
 */
function allowHeapToGrow(): void {
  setFlagsFromString('--heap-growing-percent=200');
  // That of Node 24; older ones do not know it, and have no limit of their own for buffers.
  if (Number.parseInt(process.versions.v8, 10) === 13) setFlagsFromString('--external-memory-accounted-in-global-limit');
}

async function serve(config: Config): Promise<void> {
  allowHeapToGrow();
  const { stateDir, settings, surroundings } = config;
  const notes = [...config.notes];
  const identity = readIdentity(stateDir, settings.token, (note) => { notes.push(note); });
  const log = createLog({ level: settings.logLevel, file: join(stateDir, 'logs', 'server.log'), console: true });
  const database = await openDatabase({ folder: stateDir, clock, log });
  const secretsKey = await readSecretsKey({ folder: stateDir, db: database.db, clock, log });
  const engine = createDockerEngine({ instance: identity.instance, search: surroundings, clock, log, networkPool: NETWORK_POOL, registries: createRegistryAuth(config.registries) });
  const app = createApp({ config, identity, secretsKey, database, engine, clock, log, runtime: process, views: VIEWS, networkPool: NETWORK_POOL });
  stopOnSignals(app.stop, log.close);
  try {
    await app.start();
  } catch (error) {
    await app.stop();
    throw error;
  }
  process.stdout.write(`slipway listening on ${app.url()}\n`);
  for (const note of notes) log.warn(note);
  await engine.describe().then(({ warnings }) => { for (const warning of warnings) log.warn(warning); }, (error: unknown) => { log.warn('engine not reached', { error }); });
}

/** The first signal ends what is in flight and leaves previews running; the second ends the process at once. */
function stopOnSignals(...stops: (() => Promise<void>)[]): void {
  let stopping = false;
  const stop = () => {
    if (stopping) process.exit(130);
    stopping = true;
    const all = async () => { for (const each of stops) await each(); };
    all().then(() => process.exit(0), (error: unknown) => { fail(error); });
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

function fail(error: unknown): never {
  const expected = error instanceof AppError || error instanceof ConfigFaults;
  process.stderr.write(`slipway: ${error instanceof Error ? (expected ? error.message : error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
}

/** Adds what needs no server, or is one, to the commands of the client. */
function addServerCommands({ command, config }: Program): void {
  const serving = withSettings(command.command('serve [repository]').description('Serve previews of a repository (a path or a URL), or of the projects of a configuration file'));
  serving.action(async (repository: string | undefined, options: Options) => { await serve(loadConfig(repository, flagsOf(options))); });
  withSettings(config.argument('[file]')).option('--defaults', 'print a configuration file with every default');
  config.action((file: string | undefined, options: Options & { defaults?: boolean }) => {
    const flags = flagsOf(options);
    process.stdout.write(options.defaults === true ? renderDefaults() : checked(loadConfig(undefined, { ...flags, config: file ?? flags.config })));
  });
}

async function main(): Promise<void> {
  const { stdin, stdout, stderr } = process;
  stdout.on('error', (error) => {
    const fault = outputFault(error);
    if (fault !== undefined) stderr.write(`slipway: ${fault}\n`);
    process.exit(fault === undefined ? EXIT.done : EXIT.failed);
  });
  // Where nothing can be said nothing is; the exit code tells.
  stderr.on('error', () => undefined);
  const program = createProgram({ stdin, stdout, stderr, clock, settings: readClientSettings(), user: loginName() });
  addServerCommands(program);
  process.exitCode = await program.run(process.argv.slice(2));
}

function loginName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined; // Of an id that the machine has no name for.
  }
}

type Options = Readonly<Record<string, string | undefined>>;

function withSettings(command: Command): Command {
  command.allowExcessArguments(false).option('--config <file>', 'The configuration file (default: slipway.yaml here, unless a repository is given)');
  for (const { flag, description, initial } of listSettings()) {
    if (flag !== null) command.option(`${flag} <value>`, `${description}${initial === '' ? '' : ` (default ${initial})`}`);
  }
  return command;
}

const flagsOf = (options: Options): Flags => ({
  config: options.config, ...Object.fromEntries(listSettings().map(({ name, flag }) => [name, flag === null ? undefined : options[attributeOf(flag)]])),
});

/** What a sound configuration says of itself. */
const checked = ({ projects, notes }: Config): string =>
  [`The configuration is sound: ${projects.map(({ name }) => name).join(', ')}.`, ...notes, ''].join('\n');

/** How commander calls a flag: `--builds-per-minute` → `buildsPerMinute`. */
const attributeOf = (flag: string): string => flag.slice(2).replace(/-([a-z])/g, (_match, letter: string) => letter.toUpperCase());

main().catch(fail);
