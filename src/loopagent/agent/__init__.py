"""One session's agent process. The only room that imports the Claude Agent SDK."""
