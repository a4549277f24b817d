import type { Request } from 'express';
import { AppError } from '../domain/errors.js';
import { parseLabel } from '../domain/preview-name.js';
import { labelNames } from '../domain/project.js';
import type { FoundPreview } from '../flow/preview.js';
import { projectOf, type WebDeps } from './context.js';
import type { ConfirmPage } from './page-models.js';

/** A change that a person confirms, or a program makes with the token. */
export interface Action {
  /** The one field that says what it changes. */
  readonly field: 'hash' | 'build' | 'preview' | 'image' | 'route' | 'stage';
  ask(value: string, req: Request): Question | Promise<Question>;
  /** Makes the change. @returns where a person goes then */
  run(value: string, req: Request): Promise<string>;
}

export type Question = Pick<ConfirmPage, 'question' | 'consequences' | 'submitText' | 'destructive'> & {
  readonly backUrl: string;
  /** What the question is about, letters, digits and hyphens: comes back as `seen`, so that another state is not changed unseen. */
  readonly seen?: string;
};

export type Actions = Readonly<Record<string, Action>>;

/** The preview that an action's field names. @throws AppError `unknown_preview`, and those of the source stage */
export async function findLabelled(deps: Pick<WebDeps, 'findPreview' | 'hosts' | 'projects'>, req: Request, label: string): Promise<FoundPreview> {
  const project = projectOf(deps, req);
  const name = parseLabel(label, labelNames(project));
  if (!name) throw new AppError('unknown_preview', `There is no preview “${label}”.`);
  return deps.findPreview.find({ project, name });
}
