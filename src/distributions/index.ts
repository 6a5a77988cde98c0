/** The namespace `distributions`, as `torch.distributions`. */
export { Bernoulli } from './bernoulli';
export { Categorical } from './categorical';
export { Distribution } from './distribution';
export { klDivergence } from './kl';
export { Normal } from './normal';
