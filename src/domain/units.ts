const DURATION_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SIZE_BYTES: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, KB: 1e3, MB: 1e6, GB: 1e9 };

/** Reads `500ms`, `30s`, `5m`, `1h` or `2d`. @returns milliseconds, or undefined when it is not a duration */
export function parseDuration(text: string): number | undefined {
  return parseQuantity(text, DURATION_MS);
}

/** Reads `512MiB`, `1GiB`, `200MB` … @returns bytes, or undefined when it is not a size */
export function parseSize(text: string): number | undefined {
  return parseQuantity(text, SIZE_BYTES);
}

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, amount = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim()) ?? [];
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
  const exact = Math.round(Number(amount) * (factor ?? Number.NaN));
  return amount !== '' && Number.isSafeInteger(exact) ? exact : undefined;
}
