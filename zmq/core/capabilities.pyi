DRAFT_API: bool
PYZMQ_DRAFT_API: bool
IPC_PATH_MAX_LEN: int

def has(capability: str) -> bool: ...
