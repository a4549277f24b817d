#!/usr/bin/env node
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { createApp } from './app.js';
import { renderDefaults } from './config/defaults.js';
import { ConfigFaults, listSettings, loadConfig, type Config, type Flags } from './config.js';
import { AppError } from './domain/errors.js';
import { createDockerEngine, NETWORK_POOL } from './engine/docker.js';
import { systemClock as clock } from './kernel/clock.js';
import { createLog } from './kernel/log.js';
import { openDatabase } from './state/database.js';
import { readIdentity } from './state/identity.js';

const VIEWS = fileURLToPath(new URL('../views', import.meta.url));

async function serve(config: Config): Promise<void> {
  const { stateDir, settings, surroundings } = config;
  const identity = readIdentity(stateDir, settings.token);
  const log = createLog({ level: settings.logLevel, file: join(stateDir, 'logs', 'server.log'), console: true });
  const database = await openDatabase({ folder: stateDir, clock, log });
  const engine = createDockerEngine({ instance: identity.instance, search: surroundings, clock, log, networkPool: NETWORK_POOL });
  const app = createApp({ config, identity, database, engine, clock, log, runtime: process, views: VIEWS, networkPool: NETWORK_POOL });
  stopOnSignals(app.stop, log.close);
  try {
    await app.start();
  } catch (error) {
    await app.stop();
    throw error;
  }
  process.stdout.write(`slipway listening on ${app.url()}\n`);
  for (const note of config.notes) log.warn(note);
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

function createCommand(): Command {
  const program = new Command('slipway').description('Every commit of a Docker-based web application, one URL away');
  const command = withSettings(program.command('serve [repository]').description('Serve previews of a repository (a path or a URL), or of the projects of a configuration file'));
  command.action(async (repository: string | undefined, options: Options) => { await serve(loadConfig(repository, flagsOf(options))); });
  const config = withSettings(program.command('config [file]').description('Check the configuration, or show all of it')).option('--defaults', 'print a configuration file with every default');
  config.action((file: string | undefined, options: Options & { defaults?: boolean }) => {
    const flags = flagsOf(options);
    process.stdout.write(options.defaults === true ? renderDefaults() : checked(loadConfig(undefined, { ...flags, config: file ?? flags.config })));
  });
  return program;
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

createCommand().parseAsync().catch(fail);
