const VISIBLE: Readonly<Record<string, string>> = { ' ': '·', '\n': '⏎', '\r': '␍', '\t': '⇥' };

/** A token's text with its spaces and line ends made visible, as the graph writes it. */
export function visibleText(text: string): string {
  return text.replace(/[ \n\r\t]/g, (char) => VISIBLE[char] ?? char);
}
