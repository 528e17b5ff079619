"""Assets whose days look back over many days of `transactions`.

Does not belong here: marts of one business day (`orchestration/assets/marts.py`), and marts of accounts
(`orchestration/assets/members.py`).
"""
