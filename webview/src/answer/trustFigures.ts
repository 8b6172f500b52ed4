/** What each figure of the trust line means, in three sentences. */

export type TrustFigure = 'sign' | 'rank' | 'kept' | 'left' | 'shares';

interface Explanation {
  figure: TrustFigure;
  name: string;
  sentences: readonly [string, string, string];
}

export const FIGURES: readonly Explanation[] = [
  {
    figure: 'sign',
    name: 'Sign as predicted',
    sentences: [
      'How many of the measured edges that are predicted strongest have the predicted sign.',
      'The prediction is first order: the gradient times what the edge adds.',
      'Where the two differ, believe the measurement.',
    ],
  },
  {
    figure: 'rank',
    name: 'Rank agreement',
    sentences: [
      'Spearman’s correlation between the predicted and the measured sizes of the same edges.',
      'At 1 both put the edges into the same order; near 0 the prediction says nothing about it.',
      'A low figure means that edges which were not measured may matter more than their predictions say.',
    ],
  },
  {
    figure: 'kept',
    name: 'Kept by the drawing alone',
    sentences: [
      'The model runs with only the drawn attention edges, and all others at their mean.',
      '100% is the number of the clean run, 0% the number without any attention edge.',
      'It can be negative or above 100%: edges that are not drawn may work for or against the target.',
    ],
  },
  {
    figure: 'left',
    name: 'Left without it',
    sentences: [
      'The model runs without the drawn attention edges, and all others as they are.',
      'The scale is the same: 100% would mean that the drawing does not matter.',
      'Other routes may take over what the drawn ones carried, so this and what is kept need not sum to 100%.',
    ],
  },
  {
    figure: 'shares',
    name: 'Error of the shares',
    sentences: [
      'Shares of tokens, positions and biases sum to the number that is asked about.',
      'This is how far they are from it, relative to the sum of their sizes.',
      'A share says how the number is made up; a knock-out says what would happen.',
    ],
  },
];
