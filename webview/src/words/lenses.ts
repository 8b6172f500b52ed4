/** What the lenses are called, and what each reads. */

interface LensWords {
  label: string;
  /** What it does with a state. */
  title: string;
  /** What it shows, in a line; nothing for the usual one. */
  means: string;
}

const LENSES: Record<string, LensWords> = {
  logit: { label: 'Logit lens', title: 'States as they are, through the final norm and the unembedding', means: '' },
  jacobian: {
    label: 'Jacobian lens',
    title:
      'States turned by the mean derivative of the last layer’s output: what they are disposed to make the model say at some point, not next',
    means: 'what a state is about to say at some point, not next',
  },
  tuned: {
    label: 'Tuned lens',
    title: 'States turned by a map that was trained to predict the next token',
    means: 'what a state predicts to come next',
  },
};

/** `name`: as the backend has it. */
export function lensWords(name: string): LensWords {
  return LENSES[name] ?? { label: name, title: `The lens ${name}`, means: '' };
}
