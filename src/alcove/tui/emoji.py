"""Emoji by name: those that people use in work and in families, by the names that they type."""

from typing import Final

EMOJI: Final = {
    "smile": "😄", "grin": "😁", "joy": "😂", "wink": "😉", "blush": "😊", "heart_eyes": "😍",
    "thinking": "🤔", "neutral": "😐", "sweat_smile": "😅", "sob": "😭", "cry": "😢",
    "angry": "😠", "scream": "😱", "sleeping": "😴", "sunglasses": "😎", "hug": "🤗",
    "shrug": "🤷", "facepalm": "🤦", "party": "🥳", "mask": "😷", "sick": "🤒", "skull": "💀",
    "robot": "🤖", "ghost": "👻", "thumbsup": "👍", "thumbsdown": "👎", "ok_hand": "👌",
    "clap": "👏", "wave": "👋", "pray": "🙏", "muscle": "💪", "point_up": "☝️",
    "raised_hands": "🙌", "handshake": "🤝", "eyes": "👀", "brain": "🧠", "heart": "❤️",
    "broken_heart": "💔", "star": "⭐", "sparkles": "✨", "fire": "🔥", "tada": "🎉",
    "rocket": "🚀", "bulb": "💡", "bell": "🔔", "lock": "🔒", "key": "🔑", "warning": "⚠️",
    "check": "✅", "cross": "❌", "question": "❓", "exclamation": "❗", "hundred": "💯",
    "zap": "⚡", "bug": "🐛", "wrench": "🔧", "hammer": "🔨", "gear": "⚙️", "package": "📦",
    "memo": "📝", "calendar": "📅", "clock": "🕐", "hourglass": "⏳", "phone": "📞",
    "email": "📧", "computer": "💻", "camera": "📷", "book": "📖", "money": "💰",
    "gift": "🎁", "cake": "🎂", "coffee": "☕", "tea": "🍵", "beer": "🍺", "pizza": "🍕",
    "bread": "🍞", "apple": "🍎", "carrot": "🥕", "sun": "☀️", "rain": "🌧️", "snow": "❄️",
    "rainbow": "🌈", "tree": "🌳", "flower": "🌸", "seedling": "🌱", "dog": "🐶", "cat": "🐱",
    "bee": "🐝", "fish": "🐟", "car": "🚗", "train": "🚆", "bike": "🚲", "boat": "⛵",
    "plane": "✈️", "house": "🏠", "hospital": "🏥", "school": "🏫", "office": "🏢",
    "pill": "💊", "stethoscope": "🩺", "soccer": "⚽", "music": "🎵", "art": "🎨",
    "game": "🎮", "trophy": "🏆", "flag": "🏁", "pin": "📌", "link": "🔗", "trash": "🗑️",
    "zzz": "💤", "plus": "\N{HEAVY PLUS SIGN}", "minus": "\N{HEAVY MINUS SIGN}", "up": "⬆️",
    "down": "⬇️", "left": "⬅️", "right": "➡️", "red": "🔴", "yellow": "🟡", "green": "🟢",
    "blue": "🔵",
}  # fmt: skip
QUICK: Final = ("👍", "❤️", "😂", "🎉", "👀", "🙏", "✅", "👎")
"""What the picker of reactions offers first."""
