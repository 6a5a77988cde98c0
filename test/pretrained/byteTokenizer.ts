/** A small tokenizer, as Hugging Face's files have it. */

/** GPT-2's characters for bytes: printable ones for themselves, the others from 256 on. */
function byteCharacters(): string[] {
	const isPrintable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
	let next = 256;
	return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++));
}

/** A byte-pair encoding of all bytes and three merges, as GPT-2's files have it. */
const VOCABULARY = [...byteCharacters(), 'th', 'the', 'Ġthe', '<|end|>'];
export const TOKENIZER = {
	version: '1.0',
	added_tokens: [
		{ id: 259, content: '<|end|>', special: true, single_word: false, lstrip: false, rstrip: false, normalized: false },
	],
	normalizer: null,
	pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
	post_processor: null,
	decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
	model: {
		type: 'BPE',
		vocab: Object.fromEntries(VOCABULARY.map((token, id) => [token, id])),
		merges: ['t h', 'th e', 'Ġ the'],
	},
};
const TEMPLATE =
	"{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";
export const SETTINGS = { eos_token: '<|end|>', pad_token: { content: '<|end|>' }, chat_template: TEMPLATE };
