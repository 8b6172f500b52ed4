// A story of any length in which a name comes again and again, and ends where it has to come once more.
const OPENING = 'On a grey morning in the north, the surveyor Elena Markov walked down to the harbour with her maps. ';
const MIDDLE = [
  'The boats had not yet come back, and the quay was empty but for two gulls and a dog.',
  'She counted the posts, wrote the depth of the water beside each of them, and went on to the next.',
  'A clerk brought coffee and asked how long the work would take, and she said that nobody could know.',
  'In the afternoon rain fell on the roofs, and the streets of the old town were dark and shining.',
  'Later the harbour master read the list aloud, one number after the other, until it grew late.',
  'Everyone in the office knew the name of Elena Markov, who had drawn the coast twice before.',
];
const END = 'At the end of the week the clerk wrote in the book: I was glad to meet the surveyor Elena';

/** With so many words between its opening and its end: 138 make 207 tokens of the embedded model, 794 make 963. */
export function story(words: number): string {
  const middle = Array.from({ length: Math.ceil(words / 80) }, () => MIDDLE.join(' ')).join(' ');
  const cut = middle.split(' ').slice(0, words).join(' ');
  return `${OPENING}${cut}${cut.endsWith('.') ? '' : '.'} ${END}`;
}
