/** How much is kept of answers by text: texts that anybody can make up must not fill the memory. */
export interface Remembered {
  readonly most: number;
  /** Longer texts are answered anew each time, in characters. */
  readonly longest: number;
}

/** Answers as `read` does, once for each text of those that come again; all are forgotten when there are too many. */
export function remember<Answer>(read: (text: string) => Answer, { most, longest }: Remembered): (text: string) => Answer {
  const known = new Map<string, Answer>();
  return (text) => {
    const before = known.get(text);
    if (before !== undefined) return before;
    const answer = read(text);
    if (known.size >= most) known.clear();
    if (text.length <= longest) known.set(text, answer);
    return answer;
  };
}
