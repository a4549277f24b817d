import type { Request, RequestHandler } from 'express';
import { AppError } from '../domain/errors.js';
import { parseBuildId } from '../domain/ids.js';
import { parseLabel } from '../domain/preview-name.js';
import { labelNames } from '../domain/project.js';
import { frameOf, projectOf, sendPage, wantsPage, type WebDeps } from './context.js';
import { formField } from './door.js';
import { shortHash } from './format.js';
import type { ConfirmPage } from './page-models.js';
import { readQuery } from './query.js';

/** A change that a person confirms, or a program makes with the token. */
interface Action {
  /** The one field that says what it changes. */
  readonly field: 'hash' | 'build' | 'preview';
  ask(value: string): Pick<ConfirmPage, 'question' | 'consequences' | 'submitText' | 'destructive'> & { readonly backUrl: string };
  /** Makes the change. @returns where a person goes then */
  run(value: string, req: Request): Promise<string>;
}

type Actions = Readonly<Record<string, Action>>;

/** `reset`, `cancel-build` and `restart`: every change that a form can make. */
export function createActions(deps: WebDeps): Actions {
  return {
    'reset': {
      field: 'hash',
      ask: (hash) => ({
        question: `Build ${shortHash(hash)} again?`, submitText: 'Build again', destructive: false, backUrl: '/',
        consequences: ['Its image is built anew, without cache.', 'What runs of the old image serves until the new one is there, then it is stopped; the next visit starts the new one.'],
      }),
      run: async (hash, req) => {
        const project = projectOf(deps, req);
        const { commit } = await deps.findPreview.findQuery(project, { hash });
        return `/builds/${(await deps.renewPreview.reset(project, commit)).id}`;
      },
    },
    'cancel-build': {
      field: 'build',
      ask: (build) => ({
        question: 'Cancel this build?', submitText: 'Cancel the build', destructive: true, backUrl: `/builds/${build}`,
        consequences: ['Whoever waits for it is told so.', 'It can be built again at any time.'],
      }),
      run: async (text) => {
        const id = parseBuildId(text);
        await deps.builds.cancel(id);
        return `/builds/${id}`;
      },
    },
    'restart': {
      field: 'preview',
      ask: (label) => ({
        question: `Restart ${label}?`, submitText: 'Restart', destructive: true, backUrl: `/previews/${label}`,
        consequences: ['Its container is stopped and a new one started from the same release.', 'What the application wrote inside the container is lost.'],
      }),
      run: async (label, req) => {
        const project = projectOf(deps, req);
        const name = parseLabel(label, labelNames(project));
        if (!name) throw new AppError('unknown_preview', `There is no preview “${label}”.`);
        const { preview, release, tried } = await deps.readStatus(await deps.findPreview.find({ project, name }));
        await deps.renewPreview.restart(preview, [release, tried].filter((each) => each !== undefined));
        return `/previews/${preview.label}`;
      },
    },
  };
}

function pick(actions: Actions, name: string | undefined): Action {
  const action = name !== undefined && Object.hasOwn(actions, name) ? actions[name] : undefined;
  if (!action) throw new AppError('not_found', `There is no action “${name ?? ''}”.`);
  return action;
}

/** `GET /confirm?action=NAME&…`: the question, with a form that only this browser can send. */
export function askToConfirm(actions: Actions, deps: WebDeps): RequestHandler {
  return (req, res) => {
    const query = readQuery(req);
    const name = query.get('action');
    const action = pick(actions, name);
    const value = query.get(action.field);
    if (value === undefined || !/^[\w-]{1,63}$/.test(value)) throw new AppError('invalid_request', `Give ${action.field}.`);
    const { backUrl, ...question } = action.ask(value);
    sendPage(deps, res, {
      name: 'confirm',
      model: {
        frame: frameOf(projectOf(deps, req), ''), ...question, cancelUrl: backUrl, actionUrl: `/actions/${name ?? ''}`,
        fields: [{ name: action.field, value }], token: deps.door.formToken(req),
      },
    });
  };
}

/** `POST /actions/NAME`: makes the change for a confirmed form or a bearer of the token. */
export function runAction(actions: Actions, deps: WebDeps): RequestHandler<{ name: string }> {
  return async (req, res) => {
    deps.door.assertMayChange(req);
    const action = pick(actions, req.params.name);
    const value = formField(req, action.field) ?? readQuery(req).get(action.field);
    if (value === undefined) throw new AppError('invalid_request', `Give ${action.field}.`);
    const url = await action.run(value, req);
    if (wantsPage(req)) res.redirect(303, url);
    else res.status(202).json({ url });
    deps.log.info('changed by request', { action: req.params.name, value });
  };
}
