import { processorMs } from './processor-time.js';
import { connectRaw } from './raw-http.js';

/** What requests cost the server, in milliseconds of processor time of this process, which is also the client's. */
export interface Cost {
  /** Of the request in the middle: what else happens in a process happens rarely. */
  readonly median: number;
  /** To the last one. */
  readonly answer: string;
}

/** Sends a request again and again, each on a connection of its own and only once the one before is answered. */
export async function costOf(port: number, bytes: string, rounds = 11): Promise<Cost> {
  const costs: number[] = [];
  let answer = '';
  for (let round = 0; round < rounds; round += 1) {
    using client = await connectRaw(port);
    costs.push(await processorMs(() => { client.send(bytes); return client.closed; }));
    answer = client.text();
  }
  costs.sort((a, b) => a - b);
  return { median: costs[Math.floor(rounds / 2)] ?? Infinity, answer };
}
