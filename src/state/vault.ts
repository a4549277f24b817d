import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { AppError } from '../domain/errors.js';

/** Keeps secrets in records so that only this server reads them. */
export interface Vault {
  seal(text: string): Buffer;
  /** @throws AppError `internal` when it was sealed with another key or changed since */
  open(sealed: Buffer): string;
  /** Equal texts have equal digests, and only with the key can texts be tried against one; 64 hex digits. */
  digest(text: string): string;
}

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** @param key 64 hex digits */
export function createVault(key: string): Vault {
  const derive = (use: string) => Buffer.from(hkdfSync('sha256', Buffer.from(key, 'hex'), '', use, KEY_BYTES));
  const sealing = derive('seal');
  const digesting = derive('digest');
  return {
    seal: (text) => {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, sealing, nonce);
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), body]);
    },
    open: (sealed) => {
      try {
        const opening = createDecipheriv(CIPHER, sealing, sealed.subarray(0, NONCE_BYTES));
        opening.setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
        return opening.update(sealed.subarray(NONCE_BYTES + TAG_BYTES), undefined, 'utf8') + opening.final('utf8');
      } catch (error) {
        throw new AppError('internal', 'A secret cannot be read: it was kept with another key. Bring back the file secrets-key of the state directory, or set the secret again.', { cause: error });
      }
    },
    digest: (text) => createHmac('sha256', digesting).update(text).digest('hex'),
  };
}
