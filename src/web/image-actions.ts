import type { Request } from 'express';
import { AppError } from '../domain/errors.js';
import type { ImagePreview } from '../flow/preview.js';
import { findLabelled, type Actions } from './action.js';
import type { WebDeps } from './context.js';

/** `pull-image` and `delete-preview`: what can be done with the preview of an image and with no other. */
export function createImageActions(deps: WebDeps): Actions {
  const findImage = async (label: string, req: Request): Promise<ImagePreview> => {
    const preview = await findLabelled(deps, req, label);
    if (preview.kind !== 'image') throw new AppError('unknown_preview', `${label} is not the preview of an image.`);
    return preview;
  };
  return {
    'pull-image': {
      field: 'preview',
      ask: (label) => ({
        question: `Pull the image of ${label} again?`, submitText: 'Pull again', destructive: false, backUrl: `/previews/${label}`,
        consequences: ['Its registry is asked what the name stands for now.', 'What runs of another image serves until the new one is there, then it is stopped; the next visit starts the new one.'],
      }),
      run: async (label, req) => `/builds/${(await deps.renewPreview.reset(await findImage(label, req))).id}`,
    },
    'delete-preview': {
      field: 'preview',
      ask: (label) => ({
        question: `Delete ${label}?`, submitText: 'Delete', destructive: true, backUrl: `/previews/${label}`,
        consequences: ['Its container is stopped, and what the application wrote inside it is lost.', 'Its image is removed, unless another environment serves it.', 'Its URL stays good: the next visit pulls the image again.'],
      }),
      run: async (label, req) => {
        await deps.deleteImagePreview(await findImage(label, req));
        return '/status';
      },
    },
  };
}
