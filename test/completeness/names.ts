/**
 * The public names that the design promises, by family, and what is known of them from PyTorch: which are no functions of a tensor,
 * which have no derivative there. completeness.test.ts holds the library to it.
 */

function words(text: string): string[] {
	return text.trim().split(/\s+/);
}

/** Functions and classes that are no operations on tensors. */
export const INFRASTRUCTURE = words(`
	init shutdown sync setDefaultDevice defaultDevice memory manualSeed tidy keep
	noGrad enableGrad isGradEnabled grad customOp checkpoint gradcheck gradgradcheck detectAnomaly vjp jvp jacobian hessian
	Tensor nn optim io
`);

/** Functions that make tensors: tested by what they make, in test/tensor. */
export const CREATION = words(`
	tensor zeros ones full arange linspace eye rand randn randint randperm zerosLike onesLike fullLike randLike randnLike
`);

/** What a tensor has besides the operations. */
export const MEMBERS = words(`
	shape ndim size dtype device requiresGrad grad isLeaf data item toArray toString backward detach clone contiguous to retainGrad
	requiresGrad_ copy_ add_ sub_ mul_ div_ fill_ zero_ dispose
`);

/** Operations by family. */
export const OPERATIONS = {
	elementwise: words(`
		neg abs sign exp expm1 exp2 log log1p log2 log10 sqrt rsqrt square reciprocal sin cos tan asin acos atan sinh cosh tanh asinh
		acosh atanh erf erfc sigmoid logSigmoid relu relu6 leakyRelu elu selu celu gelu silu mish softplus softsign hardtanh hardsigmoid
		hardswish clamp floor ceil round trunc frac isnan isinf isfinite logicalNot add sub mul div pow maximum minimum fmod remainder
		atan2 hypot lerp where eq ne lt le gt ge logicalAnd logicalOr logicalXor addcmul addcdiv tanhshrink softshrink hardshrink threshold
		prelu glu
	`),
	reduce: words('sum mean prod amax amin max min argmax argmin any all var std norm logsumexp median cumsum cumprod'),
	matmul: words('matmul bmm mv dot outer linear einsum baddbmm'),
	layout: words(`
		reshape view permute transpose movedim squeeze unsqueeze expand broadcastTo flatten unflatten cat stack split chunk narrow select
		slice flip roll repeat tile pad tril triu diagonal diag unfold fold meshgrid pixelShuffle
	`),
	indexing: words(`
		indexSelect gather scatter scatterAdd indexAdd take takeAlongDim maskedFill maskedSelect nonzero sort argsort topk oneHot bincount
		searchsorted
	`),
	embedding: words('embedding embeddingBag'),
	conv: words('conv1d conv2d conv3d convTranspose1d convTranspose2d convTranspose3d'),
	pool: words(`
		maxPool1d maxPool2d maxPool3d avgPool1d avgPool2d avgPool3d adaptiveAvgPool1d adaptiveAvgPool2d adaptiveAvgPool3d adaptiveMaxPool1d
		adaptiveMaxPool2d adaptiveMaxPool3d interpolate
	`),
	sample: words('gridSample affineGrid'),
	norm: words('batchNorm layerNorm groupNorm instanceNorm rmsNorm localResponseNorm normalize cosineSimilarity pairwiseDistance'),
	softmax: words('softmax logSoftmax softmin'),
	random: words('bernoulli dropout dropout2d'),
	attention: words('scaledDotProductAttention'),
	loss: words(`
		mseLoss l1Loss smoothL1Loss huberLoss crossEntropy nllLoss binaryCrossEntropy binaryCrossEntropyWithLogits klDiv poissonNllLoss
		gaussianNllLoss hingeLoss hingeEmbeddingLoss multiMarginLoss cosineEmbeddingLoss tripletMarginLoss ctcLoss
		tripletMarginWithDistanceLoss marginRankingLoss softMarginLoss multiLabelMarginLoss multiLabelSoftMarginLoss
	`),
} as const;

/** Those that take no tensor first, and so are no methods. */
export const NO_METHOD: Readonly<Record<string, string>> = {
	einsum: 'the equation comes first',
	cat: 'takes a list of tensors',
	stack: 'takes a list of tensors',
	meshgrid: 'takes a list of tensors',
};

/** Those that have no entry in the database, and why. */
export const NO_ENTRY: Readonly<Record<string, string>> = {
	maskedSelect: 'gives a promise, for the size is known only on the device: test/indexing',
	nonzero: 'gives a promise, for the size is known only on the device: test/indexing',
	bincount: 'gives a promise, for the size is known only on the device: test/indexing',
};

/** Those whose results PyTorch does not differentiate: whole numbers, truth values, draws. */
export const NOT_DIFFERENTIABLE = new Set(
	words(`
		isnan isinf isfinite logicalNot eq ne lt le gt ge logicalAnd logicalOr logicalXor argmax argmin any all argsort oneHot bincount
		searchsorted nonzero bernoulli
	`),
);

/** The layers that the functions need, under PyTorch's names. */
export const MODULES = words(`
	Module Parameter Sequential ModuleList ModuleDict ParameterList ParameterDict
	Linear Bilinear Identity Embedding EmbeddingBag Flatten Unflatten Fold Unfold PixelShuffle PixelUnshuffle ChannelShuffle Upsample UpsamplingNearest2d
	UpsamplingBilinear2d
	Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d
	MaxPool1d MaxPool2d MaxPool3d AvgPool1d AvgPool2d AvgPool3d AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d
	AdaptiveMaxPool2d AdaptiveMaxPool3d
	BatchNorm1d BatchNorm2d BatchNorm3d LayerNorm GroupNorm InstanceNorm1d InstanceNorm2d InstanceNorm3d RMSNorm LocalResponseNorm
	Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout
	ReLU ReLU6 LeakyReLU PReLU RReLU ELU SELU CELU GELU SiLU Mish Sigmoid LogSigmoid Tanh Softplus Softsign Hardtanh Hardsigmoid
	Hardswish Hardshrink Softshrink Tanhshrink Threshold GLU Softmax Softmin Softmax2d LogSoftmax
	ConstantPad1d ConstantPad2d ZeroPad2d ReflectionPad1d ReflectionPad2d ReplicationPad1d ReplicationPad2d
	ConstantPad3d ZeroPad1d ZeroPad3d ReflectionPad3d ReplicationPad3d CircularPad1d CircularPad2d CircularPad3d
	CosineSimilarity MSELoss L1Loss SmoothL1Loss HuberLoss CrossEntropyLoss NLLLoss BCELoss BCEWithLogitsLoss KLDivLoss PoissonNLLLoss
	GaussianNLLLoss HingeEmbeddingLoss MultiMarginLoss CosineEmbeddingLoss TripletMarginLoss CTCLoss PairwiseDistance
	TripletMarginWithDistanceLoss MarginRankingLoss SoftMarginLoss MultiLabelMarginLoss MultiLabelSoftMarginLoss
`);
