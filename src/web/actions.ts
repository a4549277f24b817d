import type { RequestHandler } from 'express';
import { AppError } from '../domain/errors.js';
import { formatRelease, parseHashPrefix } from '../domain/ids.js';
import { findBuildNamed } from './build-page.js';
import { findLabelled, type Action, type Actions } from './action.js';
import { frameOfScope, projectOf, scopeOf, sendPage, wantsPage, type WebDeps } from './context.js';
import { formField } from './door.js';
import { formatBytes, shortHash } from './format.js';
import { createImageActions } from './image-actions.js';
import { readImageId, shortId } from './local-images.js';
import { readQuery } from './query.js';
import { createReleaseActions } from './release-actions.js';

/** Every change that a form can make. */
export function createActions(deps: WebDeps): Actions {
  return {
    'reset': {
      field: 'hash',
      ask: (hash) => ({
        question: `Build ${shortHash(parseHashPrefix(hash))} again?`, submitText: 'Build again', destructive: false, backUrl: '/',
        consequences: ['Its image is built anew, without cache.', 'What runs of the old image serves until the new one is there, then it is stopped; the next visit starts the new one.'],
      }),
      run: async (hash, req) => {
        const found = await deps.findPreview.findQuery(projectOf(deps, req), { hash });
        return `/builds/${(await deps.renewPreview.reset(found)).id}`;
      },
    },
    'cancel-build': {
      field: 'build',
      ask: async (text, req) => {
        const { build } = await findBuildNamed(deps, req, text);
        return {
          question: 'Cancel this build?', submitText: 'Cancel the build', destructive: true, backUrl: `/builds/${build.id}`,
          consequences: ['Whoever waits for it is told so.', 'It can be built again at any time.'],
        };
      },
      run: async (text, req) => {
        const { build: { id } } = await findBuildNamed(deps, req, text);
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
        const { preview, release, tried } = await deps.readStatus(await findLabelled(deps, req, label));
        await deps.renewPreview.restart(preview, [release, tried].filter((each) => each !== undefined));
        return `/previews/${preview.label}`;
      },
    },
    'remove-image': removeImageAction(deps),
    ...createImageActions(deps),
    ...createReleaseActions(deps),
  };
}

function removeImageAction(deps: WebDeps): Action {
  return {
    field: 'image',
    ask: async (digits, req) => {
      const id = readImageId(digits);
      const image = (await deps.listImages(scopeOf(deps, req))).find((each) => each.id === id);
      if (!image) throw new AppError('unknown_image', `There is no image ${id}.`);
      if (image.kept !== null) throw new AppError('image_in_use', image.kept);
      const { project, commits, running, bytes } = image;
      return {
        question: `Delete the image ${shortId(id)} of ${project.name}?`, submitText: 'Delete the image', destructive: true, backUrl: '/localimages',
        consequences: [
          running.length === 0 ? 'No container of it runs.' : `What runs of it is stopped now: ${running.map(formatRelease).join(', ')}.`,
          commits.length === 0 ? 'The next visit of its URL makes it anew.' : `The next visit of ${commits.map(shortHash).slice(0, 5).join(', ')}${commits.length > 5 ? ` and ${commits.length - 5} more` : ''} builds again.`,
          `At most ${formatBytes(bytes)} of disk come free.`,
        ],
      };
    },
    run: async (digits, req) => {
      await deps.removeImage(scopeOf(deps, req), readImageId(digits));
      return '/localimages';
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
  return async (req, res) => {
    const query = readQuery(req);
    const name = query.get('action');
    const action = pick(actions, name);
    const value = query.get(action.field);
    if (value === undefined || !/^[\w-]{1,64}$/.test(value)) throw new AppError('invalid_request', `Give ${action.field}.`);
    const { backUrl, seen, ...question } = await action.ask(value, req);
    sendPage(deps, res, {
      name: 'confirm',
      model: {
        frame: frameOfScope(deps, req, ''), ...question, cancelUrl: backUrl, actionUrl: `/actions/${name ?? ''}`,
        fields: [{ name: action.field, value }, ...(seen === undefined ? [] : [{ name: 'seen', value: seen }])], token: deps.door.formToken(req),
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
    else res.location(url).status(202).json({ url: res.get('Location') });
    deps.log.info('changed by request', { action: req.params.name, value });
  };
}
