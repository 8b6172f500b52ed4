/** Quotes one word for a POSIX shell, whatever it contains. The only place where text becomes part of a command. */
export function quote(word: string): string {
  if (word.includes('\0')) throw new Error('a shell word contains a NUL');
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A command line of quoted words. */
export function quoteAll(words: readonly string[]): string {
  return words.map(quote).join(' ');
}
