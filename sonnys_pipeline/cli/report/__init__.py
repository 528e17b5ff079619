"""`sonnys report`: pages and files of a day, a week or a month. Belongs here: options, printing, JSON documents."""
